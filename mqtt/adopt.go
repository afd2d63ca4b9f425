package mqtt

import (
	"slices"
	"strings"

	"homehub/hub"
)

// Found are the devices that announced themselves at the broker and are not
// among the house's yet, by name. Config.FoundChanged tells of changes.
func (b *Broker) Found() []hub.Found {
	f := b.fleet
	all := f.finder.list()
	gone := map[string]bool{}
	for _, n := range all {
		if _, ok := b.cfg.Vault.Credential(n.Client); !ok && !gone[n.Client] {
			gone[n.Client] = true
			f.finder.forget(n.Client) // its log-in was revoked
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	taken := map[string]bool{}
	for _, n := range all {
		if n.Family != hub.FamilyMQTT {
			taken[n.Topic] = true
		}
	}
	return slices.DeleteFunc(all, func(n hub.Found) bool { return gone[n.Client] || f.ours(n) || coveredBy(n, taken) })
}

// coveredBy says whether the topics of a map are those of a device that was
// found in its own language as well.
func coveredBy(n hub.Found, taken map[string]bool) bool {
	if n.Map == nil || strings.HasPrefix(n.Key, "zigbee2mqtt ") {
		return false
	}
	for _, o := range n.Map.Orders() {
		for topic := o.Topic; topic != ""; topic = topic[:max(0, strings.LastIndexByte(topic, '/'))] {
			if taken[topic] {
				return true
			}
		}
	}
	return false
}

// Adopt is the device that a found one becomes under the given id and name (""
// for its own): whoever calls it keeps it with hub.PutDevice. What is not found
// (any more) is a NotFound error.
func (b *Broker) Adopt(key, id, name string) (hub.Device, error) {
	for _, n := range b.Found() {
		if n.Key == key {
			return n.Device(id, name).Validate()
		}
	}
	return hub.Device{}, hub.Errorf(hub.NotFound, "that device does not announce itself any more: look at the list again")
}

// ours says whether a found device is one of the house's; f.mu is held.
func (f *fleet) ours(n hub.Found) bool {
	for _, m := range f.members {
		if m.device.Family == n.Family && canonical(m.device.Topic) == canonical(n.Topic) {
			return true
		}
	}
	if n.Map == nil {
		return false
	}
	// Home Assistant's announcement of a device that is driven by its codec.
	for _, o := range n.Map.Orders() {
		if slices.ContainsFunc(f.at(o.Topic), func(m *member) bool { return m.device.Family != hub.FamilyMQTT }) {
			return true
		}
	}
	return false
}

// canonical is a topic without what names the first of several relays.
func canonical(topic string) string {
	for _, first := range []string{"/relay/0", "/switch:0", "/POWER1"} {
		topic = strings.TrimSuffix(topic, first)
	}
	return topic
}

// recall looks at the announcements that the broker kept over a restart, as
// their devices do not repeat them.
func (b *Broker) recall() {
	for topic, pk := range b.server.Topics.Retained.GetAll() {
		owner := b.shelf.owner(topic)
		cred, ok := b.cfg.Vault.Credential(owner)
		if !ok || !announces(topic) || topic == haBirth {
			continue
		}
		b.fleet.finder.heard(event{peer: &peer{cred: cred}, topic: topic, payload: pk.Payload}, b.cfg.Clock.Now())
	}
}

// follow has the fleet tell the broker what is not about a device's state.
func (b *Broker) follow() {
	f := b.fleet
	if b.cfg.FoundChanged != nil {
		f.finder.changed = b.cfg.FoundChanged
	}
	if b.cfg.Decide != nil {
		f.wishes.decide = b.cfg.Decide
	}
	if b.cfg.SetLimit != nil {
		f.limits.keep = b.cfg.SetLimit
	}
	f.limits.refuse = func(err error) { b.send(message{topic: limitTopic + errorSuffix, payload: refusal(err)}) }
	f.wishes.publish = func(topic string, payload []byte) { b.send(message{topic: topic, payload: payload}) }
	f.finder.birth = func() {
		select {
		case b.births <- struct{}{}:
		default:
		}
	}
}
