package main

import (
	"context"
	"strings"
	"sync"
	"time"

	"homehub/gpio"
	"homehub/hub"
	"homehub/mqtt"
	"homehub/store"
)

// undoTime is how long a device that was removed can be brought back.
const undoTime = 10 * time.Minute

// deviceDesk changes devices and their log-ins at the broker: a device that
// goes takes its log-in with it, and one that comes back brings it.
type deviceDesk struct {
	*hub.Hub
	store  *store.Store
	broker *mqtt.Broker
	clock  hub.Clock

	mu      sync.Mutex
	removed map[string]removed
}

// removed is a device that can still be brought back.
type removed struct {
	device hub.Device
	logIns []hub.Credential
	at     time.Time // machine time
}

func newDeviceDesk(i *installation) *deviceDesk {
	return &deviceDesk{Hub: i.hub, store: i.store, broker: i.broker, clock: i.opt.clock, removed: map[string]removed{}}
}

// PutDevice keeps a device, once its pins or topics make sense.
func (d *deviceDesk) PutDevice(device hub.Device) error {
	if err := checkDevice(device); err != nil {
		return err
	}
	return d.Hub.PutDevice(device)
}

// hubsOwn is the beginning of the topics on which the hub itself speaks: of how
// the house lives, and what it shall do.
const hubsOwn = "homehub"

// checkDevice says whether a device makes sense, and whether what it says and
// hears is its own. Whoever adds devices, an installer say, could otherwise
// read the house's consumption with a log-in made for one.
func checkDevice(device hub.Device) error {
	device, err := device.Validate()
	if err != nil {
		return err
	}
	if device.Family == hub.FamilyGPIO {
		if device.Switched() {
			_, err = gpio.ParsePins(device.Topic)
		} else {
			_, err = gpio.ParseInput(device.Topic)
		}
		return err
	}
	if err := mqtt.CheckDevice(device); err != nil {
		return err
	}
	for _, g := range mqtt.Grants(device) {
		if first, _, _ := strings.Cut(strings.ToLower(g.Filter), "/"); first == hubsOwn || first == "#" || first == "+" {
			return hub.FieldErrorf("topic", "%s is the hub's own: give the device another", first)
		}
	}
	return nil
}

// listen says what is heard in the places of a device's map. The topics of the
// hub itself are refused, as for a device that is kept.
func (i *installation) listen(ctx context.Context, d hub.Device) ([]hub.Heard, error) {
	if len(d.Map.Places()) == 0 {
		return nil, nil
	}
	if err := checkDevice(d); err != nil {
		return nil, err
	}
	if d.Family == hub.FamilyWebhook {
		return i.hooks.Listen(ctx, d)
	}
	return i.broker.Listen(ctx, d)
}

// checkLogIn says whether a device can be kept with a log-in of its own.
func (d *deviceDesk) checkLogIn(device hub.Device) error {
	if err := checkDevice(device); err != nil {
		return err
	}
	if len(mqtt.Grants(device)) == 0 {
		return hub.Errorf(hub.Invalid, "%s does not use the broker, so it needs no log-in", device.Name)
	}
	if c, ok := d.store.Credential(device.ID); ok && c.Device != device.ID {
		return &hub.Error{Code: hub.Conflict, Field: "name", Message: "is the log-in of a program already: choose another, or revoke that"}
	}
	for _, s := range d.Snapshot().Devices {
		if s.ID != device.ID && overlap(mqtt.Grants(device), mqtt.Grants(s.Device)) {
			return &hub.Error{Code: hub.Conflict, Field: "topic", Message: "lies within that of " + s.Name + ", or around it: each log-in needs its own"}
		}
	}
	return nil
}

// overlap says whether two devices would hear or speak for each other. Single
// topics that a family reads, and announcements that it writes, are everybody's.
func overlap(a, b []hub.Grant) bool {
	own := func(grants []hub.Grant) (bases []string) {
		for _, g := range grants {
			if base, below := strings.CutSuffix(g.Filter, "/#"); below {
				bases = append(bases, base+"/")
			}
		}
		return bases
	}
	for _, x := range own(a) {
		for _, y := range own(b) {
			if strings.HasPrefix(x, y) || strings.HasPrefix(y, x) {
				return true
			}
		}
	}
	return false
}

// keep keeps a device that is paired with its log-in, in place of any earlier
// one. It returns when that is durable.
func (d *deviceDesk) keep(device hub.Device, cred hub.Credential) error {
	if _, there := d.Device(device.ID); !there {
		if err := d.PutDevice(device); err != nil {
			return err
		}
	}
	return d.putLogIn(cred)
}

// putLogIn makes a log-in the one of its device and ends the one before.
func (d *deviceDesk) putLogIn(cred hub.Credential) error {
	if err := d.store.PutCredential(cred); err != nil {
		return err
	}
	d.broker.Revoke(cred.ID) // whoever is connected has the old one
	return nil
}

// LogIn makes a log-in for a device. Its secret is shown this once.
func (d *deviceDesk) LogIn(device hub.Device) (hub.Credential, string, error) {
	if err := d.checkLogIn(device); err != nil {
		return hub.Credential{}, "", err
	}
	cred, secret := mqtt.NewLogin(device, d.clock.Now())
	return cred, secret, d.putLogIn(cred)
}

// DeleteDevice forgets a device, durably, and cuts its connection. For a while
// it can be brought back.
func (d *deviceDesk) DeleteDevice(ctx context.Context, id string) error {
	s, _ := d.Device(id)
	r := removed{device: s.Device, at: time.Now()}
	for _, c := range d.store.Credentials() {
		if c.Device == id {
			r.logIns = append(r.logIns, c)
		}
	}
	if err := d.Hub.DeleteDevice(ctx, id); err != nil {
		return err
	}
	for _, c := range r.logIns {
		d.broker.Revoke(c.ID)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, old := range d.removed {
		if time.Since(old.at) >= undoTime {
			delete(d.removed, id)
		}
	}
	d.removed[id] = r
	return nil
}

// Restore brings back a device that was removed a moment ago, with its log-in.
func (d *deviceDesk) Restore(id string) error {
	d.mu.Lock()
	r, ok := d.removed[id]
	delete(d.removed, id)
	d.mu.Unlock()
	if _, taken := d.Device(id); !ok || taken || time.Since(r.at) >= undoTime {
		return hub.Errorf(hub.NotFound, "that device can not be brought back any more: add it anew")
	}
	if err := d.PutDevice(r.device); err != nil {
		return err
	}
	for _, c := range r.logIns {
		if err := d.store.PutCredential(c); err != nil {
			return err
		}
	}
	return nil
}

// drop forgets a device that was never set up after all.
func (d *deviceDesk) drop(id string) {
	if err := d.DeleteDevice(context.Background(), id); err != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.removed, id)
}
