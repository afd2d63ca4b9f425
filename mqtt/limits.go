package mqtt

import "time"

// Limits bound what one client, or all of them, may cost the hub. A zero field
// means its default. All durations are machine time, also on a scaled clock.
type Limits struct {
	Connect       time.Duration // from the TCP connection to the end of CONNECT; 5 s
	ConnectPacket int           // bytes of the CONNECT packet; 4 KiB
	Packet        int           // bytes of any later packet; 64 KiB
	Connections   int           // in all; 200
	PerAddress    int           // connections from one address; 10
	ConnectRate   int           // new connections per second from one address; 5, in bursts of four times as many
	Failures      int           // refused log-ins per minute from one address; 10
	MessageRate   int           // packets per second from one device; 50, in bursts of four times as many
	Pending       int           // bytes that wait for a slow client before it is cut; 256 KiB
	Subscriptions int           // per client; 32
	Retained      int           // retained topics in all; 1000
	RetainedBytes int           // payload of all retained topics; 4 MiB
	PerDevice     int           // retained topics of one device; 32
	Public        bool          // accept addresses outside private networks too
}

// localFactor is how much more the hub's own machine may do than one address
// of the network: the owner's programs and a simulated house all come from it.
const localFactor = 10

func (l Limits) withDefaults() Limits {
	set := func(v *int, byDefault int) {
		if *v == 0 {
			*v = byDefault
		}
	}
	if l.Connect == 0 {
		l.Connect = 5 * time.Second
	}
	set(&l.ConnectPacket, 4<<10)
	set(&l.Packet, 64<<10)
	set(&l.Connections, 200)
	set(&l.PerAddress, 10)
	set(&l.ConnectRate, 5)
	set(&l.Failures, 10)
	set(&l.MessageRate, 50)
	set(&l.Pending, 256<<10)
	set(&l.Subscriptions, 32)
	set(&l.Retained, 1000)
	set(&l.RetainedBytes, 4<<20)
	set(&l.PerDevice, 32)
	return l
}
