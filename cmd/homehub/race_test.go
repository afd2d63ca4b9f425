//go:build race

package main

// raceDetector makes everything some thirty times slower.
const raceDetector = true
