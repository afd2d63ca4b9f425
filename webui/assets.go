package webui

import (
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"sync"
)

// files are our own pages, styles, scripts and texts, and what make copied
// from npm (see third_party/README), which may be absent.
//
//go:embed ui third_party
var files embed.FS

// chartFiles are what a page with a chart needs beside our own.
var chartFiles = [...]string{"uPlot.iife.min.js", "uPlot.min.css"}

var assetKinds = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// assets are the files that pages refer to. Their address holds a hash over
// all of them, so that browsers may keep them for ever and an update never
// meets an old half.
type assets struct {
	prefix  string // "/assets/<hash>/"
	files   map[string]asset
	chart   bool   // the chart library is there
	licence string // of the chart library, "" without it
}

type asset struct {
	kind        string
	plain, gzip []byte
}

// embedded are the assets as they were built in: read and compressed once,
// however often the hub starts again.
var embedded = sync.OnceValues(readAssets)

func newAssets() (*assets, error) {
	a, err := embedded()
	return &a, err
}

func readAssets() (assets, error) {
	a := assets{files: map[string]asset{}}
	sum := sha256.New()
	for _, dir := range []string{"ui", "third_party"} {
		list, err := fs.ReadDir(files, dir)
		if err != nil {
			return a, fmt.Errorf("reading embedded files: %w", err)
		}
		for _, entry := range list {
			kind, ok := assetKinds[path.Ext(entry.Name())]
			if !ok {
				continue
			}
			body, err := fs.ReadFile(files, dir+"/"+entry.Name())
			if err != nil {
				return a, fmt.Errorf("reading embedded files: %w", err)
			}
			if dir == "ui" {
				body = withoutComments(path.Ext(entry.Name()), body)
			}
			fmt.Fprintf(sum, "%s %d\n", entry.Name(), len(body))
			sum.Write(body)
			a.files[entry.Name()] = asset{kind, body, zip(body, gzip.BestCompression)}
		}
	}
	a.prefix = "/assets/" + hex.EncodeToString(sum.Sum(nil)[:6]) + "/"
	a.chart = true
	for _, name := range chartFiles {
		if _, ok := a.files[name]; !ok {
			a.chart = false
		}
	}
	if licence, err := files.ReadFile("third_party/LICENSE.uPlot"); err == nil {
		a.licence = string(licence)
	}
	return a, nil
}

// comments are for who reads our source, not for the wire: a fifth of it.
var comments = map[string]*regexp.Regexp{
	".css": regexp.MustCompile(`(?s)/\*.*?\*/\n?`),
	".js":  regexp.MustCompile(`(?m)^[ \t]*//.*\n|/\*\*.*?\*/ ?`),
}

// withoutComments takes the comments out of a file of ours. It knows how we
// write them, not the languages: no text of ours looks like one.
func withoutComments(ext string, body []byte) []byte {
	if found, ok := comments[ext]; ok {
		return found.ReplaceAll(body, nil)
	}
	return body
}

// asset is GET /assets/{hash}/{name}.
func (s *Server) asset(w http.ResponseWriter, r *http.Request, _ viewer) error {
	found, ok := s.assets.files[r.PathValue("name")]
	if !ok || "/assets/"+r.PathValue("hash")+"/" != s.assets.prefix {
		http.NotFound(w, r)
		return nil
	}
	h := w.Header()
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Content-Type", found.kind)
	h.Add("Vary", "Accept-Encoding")
	body := found.plain
	if acceptsGzip(r) {
		body = found.gzip
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
	return nil
}

// openAPI is the description of the API. It names the routes, so whoever
// finds the hub may read it.
func (s *Server) openAPI(w http.ResponseWriter, r *http.Request, _ viewer) error {
	body, err := files.ReadFile("ui/openapi.json")
	if err != nil {
		return fmt.Errorf("reading the description of the API: %w", err)
	}
	return writeBody(w, r, http.StatusOK, "application/json", body)
}
