package webui

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"homehub/hub"
)

const (
	maxBody = 64 << 10 // of a request; nothing that people decide is longer
	// gzipFrom is the size from which an answer is worth compressing: below
	// it all fits one packet anyway.
	gzipFrom = 1200
)

// problem is the body of every answer that is an error.
type problem struct {
	Error problemText `json:"error"`
}

type problemText struct {
	Code    hub.Code `json:"code"`
	Message string   `json:"message"`
	Field   string   `json:"field,omitempty"`
}

// explain makes of an error what the other side may know. What was not
// foreseen is logged and hidden.
func (s *Server) explain(r *http.Request, err error) (int, problemText) {
	status := statusOf(err)
	if e, ok := errors.AsType[*hub.Error](err); ok && e.Code != hub.Internal {
		return status, problemText{e.Code, e.Message, e.Field}
	}
	switch status {
	case http.StatusTooManyRequests:
		return status, problemText{hub.Unavailable, err.Error(), ""}
	case http.StatusRequestEntityTooLarge:
		return status, problemText{hub.Invalid, "the request is too long", "body"}
	case statusGone:
		return status, problemText{hub.Unavailable, "the request was given up", ""}
	}
	s.cfg.Logger.Error("answering a request", "method", r.Method, "path", r.URL.Path, "err", err)
	return http.StatusInternalServerError, problemText{hub.Internal, "something went wrong in the hub: see its log", ""}
}

// fail answers with an error, as JSON to programs and as a page to people.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, v viewer, err error) {
	if e, ok := errors.AsType[*tooManyTries](err); ok {
		w.Header().Set("Retry-After", strconv.Itoa(int(e.wait.Seconds())+1))
	}
	status, text := s.explain(r, err)
	if isAPI(r) {
		writeJSON(w, r, status, problem{text})
		return
	}
	s.failPage(w, r, v, status, text)
}

func isAPI(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/api/") || r.URL.Path == "/healthz"
}

// writeJSON sends v. It returns nil so that a handler can end with it.
func writeJSON(w http.ResponseWriter, r *http.Request, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("writing an answer: %w", err)
	}
	return writeBody(w, r, status, "application/json", append(body, '\n'))
}

// writeBody sends a whole body, compressed where both sides gain by it.
func writeBody(w http.ResponseWriter, r *http.Request, status int, kind string, body []byte) error {
	h := w.Header()
	h.Set("Content-Type", kind)
	if len(body) >= gzipFrom {
		h.Add("Vary", "Accept-Encoding")
		if acceptsGzip(r) {
			body = zip(body, gzip.DefaultCompression)
			h.Set("Content-Encoding", "gzip")
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // whoever is gone needs no answer
	return nil
}

func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if name == "gzip" && strings.ReplaceAll(q, " ", "") != "q=0" {
			return true
		}
	}
	return false
}

func zip(body []byte, level int) []byte {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, level) // the level is one of ours
	_, _ = z.Write(body)                   // into memory: never fails
	_ = z.Close()
	return b.Bytes()
}

// readJSON reads the one JSON value of a request's body into v. Everything
// that does not belong there is a hub.Invalid error with the field's name.
func readJSON(r *http.Request, v any) error {
	if kind := r.Header.Get("Content-Type"); kind != "" {
		if media, _, err := mime.ParseMediaType(kind); err != nil || media != "application/json" {
			return hub.FieldErrorf("Content-Type", "must be application/json")
		}
	}
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return jsonProblem(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return hub.FieldErrorf("body", "goes on after the JSON value")
	}
	return nil
}

// jsonProblem says what is wrong with a body in the words of its fields.
func jsonProblem(err error) error {
	if _, ok := errors.AsType[*hub.Error](err); ok {
		return err // from a type of ours that reads itself
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return err
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		field := e.Field
		if field == "" {
			field = "body"
		}
		return hub.FieldErrorf(field, "must be a %s, not a %s", kindName(e.Type.Kind().String()), e.Value)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		if field, err := strconv.Unquote(name); err == nil {
			return hub.FieldErrorf(field, "is not known here")
		}
	}
	if errors.Is(err, io.EOF) {
		return hub.FieldErrorf("body", "is empty: send a JSON object")
	}
	return hub.FieldErrorf("body", "is not JSON: %s", strings.TrimPrefix(err.Error(), "json: "))
}

// kindName is a JSON type's name for a Go kind.
func kindName(kind string) string {
	switch {
	case strings.HasPrefix(kind, "int"), strings.HasPrefix(kind, "uint"):
		return "whole number"
	case kind == "struct", kind == "map", kind == "ptr":
		return "object"
	case kind == "slice":
		return "list"
	case kind == "bool":
		return "true or false"
	}
	return kind
}
