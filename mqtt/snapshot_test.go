package mqtt

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"homehub/hub"
)

func TestRetainedOutlivesARestart(t *testing.T) {
	v := newVault()
	v.add("prog", "", rw("#"))
	file := filepath.Join(t.TempDir(), "retained")
	keep := func(c *Config) { c.StateFile = file }
	h := open(t, v, keep)
	c := h.dial(t, "prog")
	say(t, c, "evse/config", 1, true, "kept")
	say(t, c, "evse/old", 1, true, "gone")
	say(t, c, "evse/old", 1, true, "")
	say(t, c, "evse/event", 1, false, "not retained")
	if err := h.Publish("homehub/import_w", []byte("1"), true); err != nil {
		t.Fatal(err)
	}
	if err := h.stop(); err != nil {
		t.Fatal(err)
	}

	h = open(t, v, keep)
	got := listen(t, h.dial(t, "prog"), "#", 1)
	want(t, got, "evse/config", "kept")
	if n := len(h.server.Topics.Messages("#")); n != 1 {
		t.Errorf("%d retained messages, want 1", n)
	}
	v.remove("prog")
	h.Revoke("prog") // it still knows whose they are
	if n := len(h.server.Topics.Messages("#")); n != 0 {
		t.Error("what a revoked client retained before the restart is still there")
	}
}

func TestSnapshotSparesTheCard(t *testing.T) {
	file := filepath.Join(t.TempDir(), "retained")
	b, err := New(Config{Addr: "127.0.0.1:0", Vault: newVault(), StateFile: file})
	if err != nil {
		t.Fatal(err)
	}
	save := func() int {
		t.Helper()
		n, err := b.save()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	set := func(topic, payload string) {
		t.Helper()
		if err := b.Publish(topic, []byte(payload), true); err != nil {
			t.Fatal(err)
		}
	}
	if save() != 0 {
		t.Error("nothing changed, and it was written")
	}
	set("homehub/import_w", "1")
	if save() != 0 {
		t.Error("a mirrored value was written")
	}
	for i := range 200 {
		set(fmt.Sprintf("device/%d/config", i), strings.Repeat("x", 300))
	}
	n := save()
	// 200 topics of 300 B, a message in 20 a second being retained, a day long.
	day := int(24 * time.Hour / snapshotPause(n))
	if total := day * (n + snapshotOverhead); n == 0 || total > snapshotDaily {
		t.Errorf("%d snapshots of %d B are %d B a day, want at most %d", day, n, total, snapshotDaily)
	}
	before, _ := os.Stat(file)
	set("device/0/config", "y")
	set("device/0/config", strings.Repeat("x", 300))
	save()
	if after, _ := os.Stat(file); !os.SameFile(before, after) {
		t.Error("it was written though it is as it was")
	}
	if snapshotPause(4<<20) < 12*time.Hour {
		t.Error("a full shelf is written too often")
	}
}

func TestDamagedSnapshotIsNoneAtAll(t *testing.T) {
	good, err := encodeSnapshot([]keptMessage{{Topic: "a/b", Payload: []byte("1"), Owner: "me", QoS: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if m, err := decodeSnapshot(good); err != nil || len(m) != 1 || m[0].Owner != "me" || m[0].QoS != 1 {
		t.Fatalf("got %+v, %v", m, err)
	}
	for i := range good {
		if _, err := decodeSnapshot(good[:i]); err == nil {
			t.Errorf("cut at %d it is accepted", i)
		}
		bad := bytes.Clone(good)
		bad[i] ^= 4
		if _, err := decodeSnapshot(bad); err == nil {
			t.Errorf("changed at %d it is accepted", i)
		}
	}
	file := filepath.Join(t.TempDir(), "retained")
	for _, content := range [][]byte{good[:20], {}, []byte("HHRETN02")} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := New(Config{Addr: "127.0.0.1:0", Vault: newVault(), StateFile: file})
		if err != nil {
			t.Fatalf("the house has no broker because of it: %v", err)
		}
		_ = b.guard.listener.Close()
	}
}

func TestSnapshotThatCanNotBeWrittenIsTriedAgain(t *testing.T) {
	dir := t.TempDir()
	b, err := New(Config{Addr: "127.0.0.1:0", Vault: newVault(), StateFile: filepath.Join(dir, "missing", "retained")})
	if err != nil {
		t.Fatal(err)
	}
	_ = b.Publish("a/b", []byte("1"), true)
	if _, err := b.save(); err == nil {
		t.Fatal("no error")
	}
	if err := os.Mkdir(filepath.Join(dir, "missing"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := b.save(); err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(filepath.Join(dir, "missing")); len(entries) != 1 {
		t.Errorf("%d files, want the snapshot alone", len(entries))
	}
}

func TestShelfBounds(t *testing.T) {
	limits := Limits{Retained: 40, RetainedBytes: 1000, PerDevice: 3}.withDefaults()
	s := newShelf(&limits)
	dev, prog := hub.Credential{ID: "dev", Device: "dev"}, hub.Credential{ID: "prog"}
	put := func(c hub.Credential, topic string, n int) bool {
		ok := s.room(c, topic, n)
		if ok {
			s.put(topic, c.ID, n)
		}
		return ok
	}
	for i := range 3 {
		if !put(dev, fmt.Sprint("d", i), 10) {
			t.Error("no room for three")
		}
	}
	if put(dev, "d3", 10) {
		t.Error("room for a fourth of one device")
	}
	if !put(dev, "d2", 500) {
		t.Error("no room to replace its own")
	}
	if put(prog, "p", 481) || !put(prog, "p", 480) {
		t.Error("bytes in all are not bounded at 1000")
	}
	s.put("d0", "dev", 0)
	if !put(dev, "d3", 10) {
		t.Error("a cleared topic still counts")
	}
	for i := range 100 {
		s.put(fmt.Sprint("p", i), "prog", 1)
	}
	if put(prog, "one more", 1) {
		t.Error("topics in all are not bounded")
	}
	if got := len(s.owned("dev")); got != 3 {
		t.Errorf("%d topics are the device's, want 3", got)
	}
}

func TestTooManyRetainedAreDeliveredButNotKept(t *testing.T) {
	v := newVault()
	v.add("dev", "dev", rw("dev/#"))
	v.add("eye", "", rw("#"))
	h := open(t, v, func(c *Config) { c.Limits.PerDevice = 2 })
	got := listen(t, h.dial(t, "eye"), "dev/#", 1)
	dev := h.dial(t, "dev")
	for i := range 4 {
		say(t, dev, fmt.Sprint("dev/", i), 1, true, "x")
		want(t, got, fmt.Sprint("dev/", i), "x")
	}
	if n := len(h.server.Topics.Messages("dev/#")); n != 2 {
		t.Errorf("%d are kept, want 2", n)
	}
}

func TestTooManySubscriptionsAreRefused(t *testing.T) {
	v := newVault()
	v.add("dev", "dev", rw("dev/#"))
	h := open(t, v, func(c *Config) { c.Limits.Subscriptions = 3 })
	c := h.raw(t, "")
	c.login(4, "dev", v.secret("dev"), 60, true)
	for i := range 5 {
		c.send(subscribe(4, uint16(i+1), fmt.Sprint("dev/", i), 0))
		if _, body := c.receive(); (body[2] == 0x80) != (i >= 3) {
			t.Errorf("subscription %d answers %x", i, body[2])
		}
	}
	c.send(subscribe(4, 9, "dev/0", 1)) // again is no new one
	if _, body := c.receive(); body[2] != 1 {
		t.Error("renewing a subscription is refused")
	}
}

func FuzzSnapshot(f *testing.F) {
	good, _ := encodeSnapshot([]keptMessage{{Topic: "a", Payload: []byte("1")}})
	f.Add(good)
	f.Add([]byte(snapshotMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		messages, err := decodeSnapshot(b)
		if err != nil {
			return
		}
		again, err := encodeSnapshot(messages)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeSnapshot(again); err != nil {
			t.Error(err)
		}
	})
}
