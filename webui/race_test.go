//go:build race

package webui_test

// raceDetector makes everything some times slower and larger.
const raceDetector = true
