package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"homehub/hub"
	"homehub/store"
)

// localSocket is where the commands of this machine reach a running hub. Its
// folder and its file belong to the hub's user: whoever may open it may do
// everything.
func localSocket(dir string) string { return filepath.Join(dir, "homehub.sock") }

// listenLocal opens the socket. The engine has locked the folder, so a file
// that is there was left behind.
func listenLocal(dir string) (net.Listener, error) {
	path := localSocket(dir)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	return l, os.Chmod(path, 0o600)
}

// localHub talks to the hub that runs on a data folder.
type localHub struct{ client *http.Client }

// errNotRunning says that no hub runs on a folder.
var errNotRunning = errors.New("the hub does not run here: start it, or name its data folder with --data")

// dialLocal is errNotRunning if nobody answers.
func dialLocal(dir string) (*localHub, error) {
	path := localSocket(dir)
	c, err := net.Dial("unix", path)
	switch {
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("%s may not be opened: run this as the hub's own user, for example with sudo -u homehub", path)
	case err != nil:
		return nil, errNotRunning
	}
	c.Close()
	dialer := net.Dialer{Timeout: 5 * time.Second}
	return &localHub{&http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dialer.DialContext(ctx, "unix", path) },
	}}}, nil
}

// atHub runs the one or the other, whether a hub runs on a folder or not.
func atHub(cmd *cobra.Command, dir string, running func(*localHub) error, stopped func(*store.Store) error) error {
	h, err := dialLocal(dir)
	if !errors.Is(err, errNotRunning) {
		if err != nil {
			return err
		}
		return running(h)
	}
	logger, _ := newLogger(cmd.ErrOrStderr(), slog.LevelError)
	s, err := store.Open(store.Config{Dir: dir, Logger: logger})
	if err != nil {
		return err
	}
	return errors.Join(stopped(s), s.Close())
}

// call sends body to the API, if it is not nil, and decodes the answer into
// out, if it is not nil. An answer that is an error becomes one.
func (h *localHub) call(ctx context.Context, method, path string, body, out any) error {
	var send io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		send = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://hub.local"+path, send)
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	r, err := h.client.Do(req)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	if r.StatusCode/100 != 2 {
		var p struct {
			Error struct {
				Code           hub.Code
				Message, Field string
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&p); err != nil {
			return fmt.Errorf("the hub answers with status %d", r.StatusCode)
		}
		return &hub.Error{Code: p.Error.Code, Field: p.Error.Field, Message: p.Error.Message}
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(r.Body).Decode(out)
}
