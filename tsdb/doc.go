// Package tsdb keeps the readings of a house for decades on an SD card
// without wearing it out.
//
// A feed is a row of values at a fixed interval: the place of a point follows
// from its time, no timestamps are stored. Points wait in RAM; once per
// durability window [DB.Flush] writes one checksummed record for all feeds
// into a preallocated ring and flushes the device once. Runs of 1,024 points
// are packed without loss and appended, many at a time, to segment files.
// [DB.Query] and [DB.Rows] see RAM, ring and segments as one. FORMAT.md
// specifies every byte and what a power cut can do to it.
//
// The package imports nothing of the project, so anybody may import it; in
// the hub only cmd/homehub does, everybody else takes a small interface.
package tsdb
