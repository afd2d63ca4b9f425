//go:build race

package dsmr_test

// underRace is whether the race detector slows everything down tenfold.
const underRace = true
