package mqtt

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

const (
	// snapshotMagic begins the file: name and version of the format. After it
	// come the length of the body and its CRC-32C, both 32 bits little-endian,
	// and the body: a JSON array of keptMessage.
	snapshotMagic = "HHRETN01"
	// snapshotEvery is the least time between two snapshots.
	snapshotEvery = 15 * time.Minute
	// snapshotDaily bounds what snapshots write to the card per day.
	snapshotDaily = 8_000_000
	// snapshotOverhead is what the file system writes beside the bytes: 18.9 kB
	// on ext4 with a journal, for a new file that replaces the old one.
	snapshotOverhead = 20_000
	// maxSnapshot is the largest file that is read: the retained payloads in
	// base64 and as many topics.
	maxSnapshot = 16 << 20
)

// keptMessage is one durable retained message in the snapshot.
type keptMessage struct {
	Topic   string `json:"topic"`
	Payload []byte `json:"payload"`
	Owner   string `json:"owner,omitempty"`
	QoS     byte   `json:"qos,omitempty"`
}

// durable says whether a retained topic outlives a restart. What the hub
// mirrors comes again within seconds, and the broker's own topics are moments.
func durable(topic string) bool {
	return !strings.HasPrefix(topic, mirrorPrefix) && !strings.HasPrefix(topic, "$") && topic != discoveryTopic
}

// snapshotPause is how long to wait after a snapshot of n bytes, so that a day
// of them stays below snapshotDaily.
func snapshotPause(n int) time.Duration {
	return max(snapshotEvery, time.Duration(int64(n+snapshotOverhead)*86400/snapshotDaily)*time.Second)
}

// encodeSnapshot makes the file's bytes.
func encodeSnapshot(messages []keptMessage) ([]byte, error) {
	body, err := json.Marshal(messages)
	if err != nil {
		return nil, err
	}
	b := append(make([]byte, 0, len(body)+16), snapshotMagic...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(body)))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
	return append(b, body...), nil
}

// decodeSnapshot reads them again. A file that was cut short or changed is an
// error, never a part of its messages.
func decodeSnapshot(b []byte) ([]keptMessage, error) {
	head := len(snapshotMagic) + 8
	if len(b) < head || string(b[:len(snapshotMagic)]) != snapshotMagic {
		return nil, errors.New("not a snapshot of retained messages")
	}
	length := binary.LittleEndian.Uint32(b[len(snapshotMagic):])
	sum := binary.LittleEndian.Uint32(b[len(snapshotMagic)+4:])
	body := b[head:]
	if uint64(length) != uint64(len(body)) || crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) != sum {
		return nil, errors.New("the snapshot of retained messages is damaged")
	}
	var messages []keptMessage
	if err := json.Unmarshal(body, &messages); err != nil {
		return nil, fmt.Errorf("reading the snapshot of retained messages: %w", err)
	}
	return messages, nil
}

// restore puts the messages of the snapshot back. A missing file is none.
func (b *Broker) restore() error {
	if b.cfg.StateFile == "" {
		return nil
	}
	info, err := os.Stat(b.cfg.StateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening the snapshot of retained messages: %w", err)
	}
	if info.Size() > maxSnapshot {
		return fmt.Errorf("opening %s: it is larger than the broker ever writes", b.cfg.StateFile)
	}
	raw, err := os.ReadFile(b.cfg.StateFile)
	if err != nil {
		return fmt.Errorf("opening the snapshot of retained messages: %w", err)
	}
	messages, err := decodeSnapshot(raw)
	if err != nil {
		return err
	}
	for _, m := range messages {
		if !publishable(m.Topic) || !durable(m.Topic) || len(m.Payload) == 0 || m.QoS > 2 {
			continue
		}
		b.server.Topics.RetainMessage(packets.Packet{
			FixedHeader: packets.FixedHeader{Type: packets.Publish, Retain: true, Qos: m.QoS},
			TopicName:   m.Topic, Payload: m.Payload, Origin: m.Owner, Created: time.Now().Unix(),
		})
		b.shelf.put(m.Topic, m.Owner, len(m.Payload))
	}
	b.shelf.takeDirty()
	b.written = raw
	return nil
}

// save writes the snapshot if something durable changed, and returns its size.
func (b *Broker) save() (int, error) {
	if b.cfg.StateFile == "" || !b.shelf.takeDirty() {
		return 0, nil
	}
	var messages []keptMessage
	for topic, pk := range b.server.Topics.Retained.GetAll() {
		if durable(topic) {
			messages = append(messages, keptMessage{Topic: topic, Payload: pk.Payload, Owner: b.shelf.owner(topic), QoS: pk.FixedHeader.Qos})
		}
	}
	slices.SortFunc(messages, func(a, b keptMessage) int { return strings.Compare(a.Topic, b.Topic) })
	raw, err := encodeSnapshot(messages)
	if err == nil && !bytes.Equal(raw, b.written) { // back to what it was: spare the card
		err = writeAtomic(b.cfg.StateFile, raw)
	}
	if err != nil {
		b.shelf.setDirty()
		return len(raw), fmt.Errorf("writing the snapshot of retained messages: %w", err)
	}
	b.written = raw
	return len(raw), nil
}

// writeAtomic replaces a file so that after a power cut either the old or the
// new content is there.
func writeAtomic(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".retained-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
