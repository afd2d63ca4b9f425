// Command homehub is the home energy hub: one binary that reads the smart
// meter, keeps what it reads, is the broker of the house, drives its devices
// by a plan and shows all of it to a phone.
//
// This package alone imports every other one and puts them together; nothing
// imports it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
