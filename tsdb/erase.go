package tsdb

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// Erase removes all files that the engine keeps in a folder, and then calls
// rest, all of it with the folder locked: ErrLocked if somebody has it open.
// Nothing is left to be read afterwards. A power cut in the middle leaves a
// part: whoever calls it remembers to call it again. The file "lock" stays.
func Erase(dir string, rest func() error) (err error) {
	files := osFS{}
	lock, err := files.Lock(dir)
	if err != nil {
		return fmt.Errorf("erasing %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	names, err := files.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("erasing %s: %w", dir, err)
	}
	for _, name := range names {
		if !ours(name) {
			continue
		}
		if err := files.Remove(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("erasing %s: %w", dir, err)
		}
	}
	if err := files.SyncDir(dir); err != nil {
		return fmt.Errorf("erasing %s: %w", dir, err)
	}
	return rest()
}

// ours says whether a file in a data folder is the engine's, those that it set
// aside or did not finish among them.
func ours(name string) bool {
	for _, own := range [...]string{"seg-", "ring", catalogFile} {
		if strings.HasPrefix(name, own) {
			return true
		}
	}
	return false
}
