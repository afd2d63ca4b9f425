package mqtt

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// errBye ends a connection whose client said DISCONNECT: it has no Will any more.
var errBye = errors.New("the client said goodbye")

// serve runs one connection from CONNECT to its end, and returns why it ended.
func (g *gate) serve(p *peer) error {
	err := g.attend(p)
	g.finish(p, err)
	return err
}

// attend reads what a client sends until its connection ends.
//
// The goroutine that waits here is all that runs for an idle client, so its
// stack has to stay small. The library hands packets of 600 bytes from one
// function to the next by value and needs 16 KiB of stack for them: a worker's.
func (g *gate) attend(p *peer) error {
	for {
		frame, err := p.next(g)
		if err != nil {
			return err
		}
		if err := g.workers.run(func() error { return g.handle(p, frame) }); err != nil {
			return err
		}
	}
}

// next waits for the next packet that is not for the fast path, which takes
// all before it. The packet is a copy: the buffer it was read into is given
// back, as the library may sit on a wrong password for a while.
func (p *peer) next(g *gate) ([]byte, error) {
	in := &p.in
	for {
		frame, err := in.next()
		switch {
		case err != nil:
			return nil, err
		case frame == nil:
			if err := p.fill(); err != nil {
				return nil, err
			}
		case p.acknowledged(frame), g.fast(p, frame):
			in.start += len(frame)
		default:
			frame = bytes.Clone(frame)
			in.start += len(frame)
			in.rest()
			p.settle()
			return frame, nil
		}
	}
}

// handle has the library answer a packet. An error ends the connection; a v5
// client is told which (MQTT 5.0 §4.13).
func (g *gate) handle(p *peer, frame []byte) error {
	cl := p.client
	if cl == nil {
		return g.enter(p, frame)
	}
	if cl.Closed() {
		return errors.New("the broker ended the connection") // what came after that counts no more
	}
	version := cl.Properties.ProtocolVersion
	pk, err := decode(frame, version)
	if err != nil {
		return err
	}
	switch pk.FixedHeader.Type {
	case packets.Publish, packets.Subscribe, packets.Unsubscribe, packets.Pingreq, packets.Auth:
		p.throttle(time.Now())
	}
	switch pk.FixedHeader.Type {
	case packets.Connect:
		err = packets.ErrProtocolViolationSecondConnect
	case packets.Subscribe:
		err = g.subscribe(cl, pk)
	default:
		err = g.server.InjectPacket(cl, pk)
	}
	if code, ok := err.(packets.Code); ok && version == 5 && code.Code >= packets.ErrUnspecifiedError.Code {
		_ = g.server.DisconnectClient(cl, code)
	}
	if err == nil && pk.FixedHeader.Type == packets.Disconnect {
		return errBye
	}
	return err
}

// throttle slows a client down that sends too much, by not reading on.
// Acknowledgements are free: they answer what we sent.
func (p *peer) throttle(now time.Time) {
	if wait := p.budget.take(now); wait > 0 {
		p.settle()
		time.Sleep(min(wait, maxThrottle))
		p.in.now = time.Now()
	}
}

// decode takes a whole packet of a client apart. It keeps parts of frame.
func decode(frame []byte, version byte) (pk packets.Packet, err error) {
	head, body, _ := frameLength(frame)
	pk.ProtocolVersion = version
	if err := pk.FixedHeader.Decode(frame[0]); err != nil {
		return pk, err
	}
	pk.FixedHeader.Remaining = body
	rest := frame[head:]
	switch pk.FixedHeader.Type {
	case packets.Connect:
		err = pk.ConnectDecode(rest)
	case packets.Publish:
		err = pk.PublishDecode(rest)
	case packets.Puback:
		err = pk.PubackDecode(rest)
	case packets.Pubrec:
		err = pk.PubrecDecode(rest)
	case packets.Pubrel:
		err = pk.PubrelDecode(rest)
	case packets.Pubcomp:
		err = pk.PubcompDecode(rest)
	case packets.Subscribe:
		err = pk.SubscribeDecode(rest)
	case packets.Unsubscribe:
		err = pk.UnsubscribeDecode(rest)
	case packets.Pingreq:
	case packets.Disconnect:
		err = pk.DisconnectDecode(rest)
	case packets.Auth:
		err = pk.AuthDecode(rest)
	default:
		err = fmt.Errorf("a packet of type %d is none of a client", pk.FixedHeader.Type)
	}
	return pk, err
}
