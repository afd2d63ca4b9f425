// Package crash cuts the power of a real ext4 file system. A loop device over
// a FUSE file records every write and flush while a child process lives the
// life of a hub on it: readings, segments, corrections, trims, settings. Then
// disk images are built of every kind that a card without power may hold:
// what was flushed is there, each later write is there, torn at 512 bytes, or
// not. Each image is mounted, which runs ext4's own recovery, opened by the
// engine and the store, and compared with what the child was promised.
//
// It needs root, FUSE and loop devices.
package crash
