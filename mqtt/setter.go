package mqtt

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"homehub/hub"
)

const (
	setSuffix   = "/set"
	errorSuffix = "/error"
	// maxWish is the longest command; it also bounds what an answer repeats.
	maxWish = 256
	// wishPause is the least machine time between two decisions about the same
	// device: each costs the card some 36 KiB.
	wishPause = time.Second
)

// isSet says whether a topic is homehub/<device>/set.
func isSet(topic string) bool {
	id, ok := strings.CutPrefix(topic, mirrorPrefix)
	id, set := strings.CutSuffix(id, setSuffix)
	return ok && set && id != "" && !strings.Contains(id, "/")
}

// wish is what an owner's program wants of a device.
type wish struct {
	client string
	mode   hub.Mode
	until  time.Time
}

// wishes takes commands on homehub/<device>/set. Of several that come faster
// than decisions are kept, the last one counts.
type wishes struct {
	clock   hub.Clock
	decide  func(client, device string, mode hub.Mode, until time.Time) error
	publish func(topic string, payload []byte)
	wake    chan struct{}

	mu      sync.Mutex
	known   map[string]hub.Device
	waiting map[string]wish
}

func newWishes(clock hub.Clock) *wishes {
	return &wishes{
		clock: clock, publish: func(string, []byte) {}, wake: make(chan struct{}, 1), waiting: map[string]wish{},
		decide: func(string, string, hub.Mode, time.Time) error {
			return hub.Errorf(hub.Unavailable, "commands are not taken here")
		},
	}
}

// set says which devices there are.
func (w *wishes) set(devices []hub.Device) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known = map[string]hub.Device{}
	for _, d := range devices {
		w.known[d.ID] = d
	}
}

// heard takes in a command. What is wrong with it is said on
// homehub/<device>/error, and nothing changes then.
func (w *wishes) heard(e event) {
	id := strings.TrimSuffix(strings.TrimPrefix(e.topic, mirrorPrefix), setSuffix)
	if len(e.payload) == 0 {
		return // clears a retained command
	}
	mode, until, err := parseWish(e.payload, w.clock.Now())
	w.mu.Lock()
	d, ok := w.known[id]
	switch {
	case err != nil:
	case !ok:
		err = hub.Errorf(hub.NotFound, "there is no device %q", clip(id))
	case !d.Switched():
		err = hub.Errorf(hub.Invalid, "%s can not be switched", d.Name)
	default:
		w.waiting[id] = wish{e.peer.cred.ID, mode, until}
	}
	w.mu.Unlock()
	if err != nil {
		w.refuse(id, err)
		return
	}
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// parseWish reads on, off or auto, plain or as {"mode":"on","until":"2026-01-31T07:00:00Z"}.
func parseWish(payload []byte, now time.Time) (mode hub.Mode, until time.Time, err error) {
	payload = bytes.TrimSpace(payload)
	if len(payload) > maxWish {
		return "", until, hub.FieldErrorf("mode", "the command is longer than %d bytes", maxWish)
	}
	text := string(payload)
	if bytes.HasPrefix(payload, []byte("{")) {
		var body struct {
			Mode  *string    `json:"mode"`
			Until *time.Time `json:"until"`
		}
		d := json.NewDecoder(bytes.NewReader(payload))
		d.DisallowUnknownFields()
		if err := d.Decode(&body); err != nil || d.More() {
			return "", until, hub.FieldErrorf("mode", `the command must be like {"mode":"on","until":"2026-01-31T07:00:00Z"}, or on, off or auto`)
		}
		if body.Mode == nil {
			return "", until, hub.FieldErrorf("mode", "is missing: on, off or auto")
		}
		text = *body.Mode
		if body.Until != nil {
			until = body.Until.UTC()
		}
	}
	mode = hub.Mode(strings.ToLower(text))
	switch mode {
	case hub.ModeOn, hub.ModeOff, hub.ModeAuto:
	default:
		return "", until, hub.FieldErrorf("mode", "%q is not one of on, off, auto", clip(text))
	}
	switch {
	case until.IsZero():
	case mode == hub.ModeAuto:
		return "", until, hub.FieldErrorf("until", "is the end of on or off; auto has none")
	case !until.After(now) || until.After(now.AddDate(1, 0, 0)):
		return "", until, hub.FieldErrorf("until", "must lie in the next twelve months")
	}
	return mode, until, nil
}

func (w *wishes) refuse(id string, err error) {
	topic := mirrorPrefix + id + errorSuffix
	if publishable(topic) {
		w.publish(topic, refusal(err))
	}
}

// refusal is what a program is answered that asked for something wrong.
func refusal(err error) []byte {
	return encode(map[string]string{"error": err.Error(), "code": string(hub.CodeOf(err))})
}

// run carries commands out until ctx ends.
func (w *wishes) run(ctx context.Context) {
	paced(ctx, w.wake, func() {
		w.mu.Lock()
		waiting := w.waiting
		w.waiting = map[string]wish{}
		w.mu.Unlock()
		for id, wish := range waiting {
			if err := w.decide(wish.client, id, wish.mode, wish.until); err != nil {
				w.refuse(id, err)
			}
		}
	})
}
