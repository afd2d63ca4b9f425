package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"homehub/hub"
	"homehub/tsdb"
)

func TestStorageHealthSaysWhatToDo(t *testing.T) {
	trouble := func(part, why string) []tsdb.Trouble { return []tsdb.Trouble{{Part: part, Why: why}} }
	for _, test := range []struct {
		name   string
		status tsdb.Status
		err    error
		want   hub.Condition
		texts  []string
	}{
		{"well", tsdb.Status{BytesToday: 420_000}, nil, hub.OK, []string{"0.42 MB"}},
		{"read-only", tsdb.Status{State: tsdb.StateReadOnly, Troubles: trouble("folder", "EROFS")}, errors.New("flushing"), hub.Down, []string{"/data can not be written", "mount the card writable", "EROFS"}},
		{"full", tsdb.Status{State: tsdb.StateDiskFull, Troubles: trouble("ring", "ENOSPC")}, nil, hub.Down, []string{"is full", "Free some space", "ENOSPC"}},
		{"no folder", tsdb.Status{State: tsdb.StateDamaged, Troubles: trouble("folder", "not a directory")}, errors.New("flushing"), hub.Down, []string{"nothing is being stored", "Check that it is a folder", "not a directory"}},
		{"failing flush", tsdb.Status{}, errors.New("input/output error"), hub.Down, []string{"nothing is being stored", "input/output error"}},
		{"segments only", tsdb.Status{State: tsdb.StateDamaged, Troubles: trouble("segments", "EIO")}, nil, hub.Degraded, []string{"stored for now", "EIO"}},
		{"damage", tsdb.Status{State: tsdb.StateDamaged, Reasons: []string{"2 stretches cannot be read"}}, nil, hub.Degraded, []string{"feed check --data /data", "2 stretches"}},
		{"parked", tsdb.Status{Parked: 3}, nil, hub.Degraded, []string{"3 readings", "clock"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			condition, text := storageHealth(test.status, test.err, "/data")
			if condition != test.want {
				t.Errorf("%s, want %s", condition, test.want)
			}
			for _, want := range test.texts {
				if !strings.Contains(text, want) {
					t.Errorf("%q does not say %q", text, want)
				}
			}
		})
	}
}

// TestAFileInPlaceOfTheFolder is the engine and the sentence together.
func TestAFileInPlaceOfTheFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(dir, []byte("not a folder"), 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := tsdb.Open(tsdb.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	condition, text := storageHealth(db.Status(), db.Flush(time.Now()), dir)
	if condition != hub.Down || !strings.Contains(text, "nothing is being stored") || strings.Contains(text, "history") {
		t.Errorf("%s: %s", condition, text)
	}
}
