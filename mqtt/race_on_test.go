//go:build race

package mqtt

// raceEnabled says that times mean little in this build.
const raceEnabled = true
