//go:build race

package benchyear

const slow = true
