// Package sim is a house in a box: a smart meter that writes real telegrams,
// a smart plug, a car charger, a boiler and a solar sensor that are real MQTT
// clients, and the physics behind them. It stands outside the hub, as the hardware
// would, and takes no shortcut into it. Beside the house stand gadgets: devices
// with the firmware of other makers, each with one relay.
//
// Only cmd/homehub and tests import sim. sim imports hub, the telegram encoder
// of dsmr, and an MQTT client.
package sim
