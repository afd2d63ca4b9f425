package crash

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"homehub/bench/disk"
)

// op is one thing the block layer asked of the card: a write, or without data
// a flush of everything written before.
type op struct {
	off  int64
	data []byte
}

// card is a disk in RAM that remembers every op, served as a file.
type card struct {
	fs.Inode
	mu   sync.Mutex
	data []byte
	ops  []op
}

var (
	_ fs.NodeOpener    = (*card)(nil)
	_ fs.NodeReader    = (*card)(nil)
	_ fs.NodeWriter    = (*card)(nil)
	_ fs.NodeFsyncer   = (*card)(nil)
	_ fs.NodeGetattrer = (*card)(nil)
	_ fs.NodeSetattrer = (*card)(nil)
)

// Open turns the page cache off: nothing may stand between the loop device
// and the record.
func (c *card) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

// Read reads from the disk.
func (c *card) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if off >= int64(len(c.data)) {
		return fuse.ReadResultData(nil), 0
	}
	return fuse.ReadResultData(dest[:copy(dest, c.data[off:])]), 0
}

// Write writes to the disk and remembers it.
func (c *card) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if off+int64(len(data)) > int64(len(c.data)) {
		return 0, syscall.EIO
	}
	copy(c.data[off:], data)
	c.ops = append(c.ops, op{off, slices.Clone(data)})
	return uint32(len(data)), 0
}

// Fsync is what the loop device makes of a flush.
func (c *card) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ops = append(c.ops, op{})
	return 0
}

// Getattr tells the size.
func (c *card) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size = fuse.S_IFREG|0o600, uint64(len(c.data))
	return 0
}

// Setattr changes nothing.
func (c *card) Setattr(ctx context.Context, f fs.FileHandle, _ *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	return c.Getattr(ctx, f, out)
}

// begin forgets what was recorded and returns the disk as it is.
func (c *card) begin() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ops = nil
	return slices.Clone(c.data)
}

// length is how many ops there are by now.
func (c *card) length() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.ops)
}

// recorder is a mounted ext4 file system on a card.
type recorder struct {
	*card
	dir    string // where the ext4 is mounted
	server *fuse.Server
	loop   *disk.Loop
	up     bool
}

// newRecorder makes the card, the file system and mounts it in folder.
func newRecorder(folder string, size int, options string) (r *recorder, err error) {
	r = &recorder{card: &card{data: make([]byte, size)}, dir: filepath.Join(folder, "ext4")}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	at := filepath.Join(folder, "fuse")
	if err := errors.Join(os.Mkdir(at, 0o700), os.Mkdir(r.dir, 0o700)); err != nil {
		return r, err
	}
	root := &fs.Inode{}
	opts := &fs.Options{MountOptions: fuse.MountOptions{DirectMountStrict: true, MaxWrite: 1 << 20, FsName: "card"}}
	opts.OnAdd = func(ctx context.Context) {
		root.AddChild("disk", root.NewPersistentInode(ctx, r.card, fs.StableAttr{Mode: fuse.S_IFREG}), false)
	}
	if r.server, err = fs.Mount(at, root, opts); err != nil {
		return r, fmt.Errorf("mounting FUSE: %w", err)
	}
	// go-fuse leaves /dev/fuse open for children: one that waits for the card
	// would keep the connection alive when the card is gone, and wait for ever
	if err = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return r, err
	}
	// past Go's poller, which would ask this very process
	fd, err := unix.Open(filepath.Join(at, "disk"), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return r, fmt.Errorf("opening the card: %w", err)
	}
	defer unix.Close(fd)
	if r.loop, err = disk.Attach(fd); err != nil {
		return r, err
	}
	if err = r.loop.Format(); err != nil {
		return r, err
	}
	if err = r.loop.Mount(r.dir, options); err != nil {
		return r, err
	}
	r.up = true
	return r, nil
}

// sync makes the kernel write everything to the card.
func (r *recorder) sync() error {
	fd, err := unix.Open(r.dir, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(fd), unix.Close(fd))
}

func (r *recorder) close() (err error) {
	if r.up {
		err = disk.Unmount(r.dir)
	}
	if r.loop != nil {
		err = errors.Join(err, r.loop.Close())
	}
	if r.server != nil {
		err = errors.Join(err, r.server.Unmount())
	}
	return err
}
