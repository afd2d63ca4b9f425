// Package gpio drives relays on the Raspberry Pi's own header as devices of
// hub.FamilyGPIO, and reads those that measure from an MCP3008 converter over
// SPI.
//
// A relay knows nothing of leases, so they are kept here: every relay that is
// on has a timer of its own and goes off at its Until, whoever else is alive.
// An output is never read back: asking the kernel driver's library for an
// output's level turns the line into an input, and the relay falls off. The
// level that was last written is the only truth there is.
//
// Off at start and at exit is this package's doing. What a line does when the
// process is killed is the kernel's: a Raspberry Pi kernel keeps an output at
// its last level after its owner is gone, unless config.txt says
// dtparam=strict_gpiod (raspberrypi/linux#6117); then the line becomes an
// input and floats. Wire relays so that a floating line is off, and set
// strict_gpiod; else a killed hub leaves a relay on until it is started again.
//
// Only cmd/homehub may import gpio. The modules periph.io/x/conn and
// periph.io/x/host are confined to it, and of the latter only gpioioctl and
// sysfs: its umbrella package writes to a Pi 4's registers on a Pi 5.
package gpio
