//go:build !race

package main

const raceDetector = false

const patience = 1
