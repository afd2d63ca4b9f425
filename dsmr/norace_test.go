//go:build !race

package dsmr_test

const underRace = false
