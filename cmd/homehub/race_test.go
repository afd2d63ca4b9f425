//go:build race

package main

// raceDetector makes everything some thirty times slower.
const raceDetector = true

// patience is how many times longer than on a quiet machine a test waits
// before it says no: the race detector runs where everything else runs too.
const patience = 10
