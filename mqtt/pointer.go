package mqtt

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"strings"
)

// pointer is a JSON pointer (RFC 6901): the keys from the whole document, for
// which there is none, down to a value.
type pointer struct{ keys []string }

// parsePointer reads "/a/0/b~1c". Only ~0 (~) and ~1 (/) are escapes.
func parsePointer(text string) (*pointer, bool) {
	if text == "" {
		return &pointer{}, true
	}
	if text[0] != '/' {
		return nil, false
	}
	keys := strings.Split(text[1:], "/")
	for i, key := range keys {
		plain := strings.ReplaceAll(strings.ReplaceAll(key, "~0", ""), "~1", "")
		if strings.Contains(plain, "~") {
			return nil, false
		}
		keys[i] = strings.ReplaceAll(strings.ReplaceAll(key, "~1", "/"), "~0", "~")
	}
	return &pointer{keys}, true
}

// find is what the pointer points to in a decoded document.
func (p *pointer) find(doc any) (any, bool) {
	for _, key := range p.keys {
		switch in := doc.(type) {
		case map[string]any:
			v, ok := in[key]
			if !ok {
				return nil, false
			}
			doc = v
		case []any:
			i, err := strconv.ParseUint(key, 10, 16)
			if err != nil || i >= uint64(len(in)) || len(key) > 1 && key[0] == '0' {
				return nil, false
			}
			doc = in[i]
		default:
			return nil, false
		}
	}
	return doc, true
}

// decodeJSON decodes one document and keeps its numbers as they are written.
func decodeJSON(payload []byte) (doc any, ok bool) {
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	if d.Decode(&doc) != nil {
		return nil, false
	}
	_, err := d.Token()
	return doc, err == io.EOF
}
