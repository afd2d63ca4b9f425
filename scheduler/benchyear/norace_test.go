//go:build !race

package benchyear

// slow says that the race detector slows everything down by ten: a week takes too long then.
const slow = false
