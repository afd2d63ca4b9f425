//go:build !race

package webui_test

const raceDetector = false
