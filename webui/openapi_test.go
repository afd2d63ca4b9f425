package webui_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"homehub/hub"
	"homehub/webui"
)

// The parts of the API's description that the tests use.
type openAPI struct {
	Paths      map[string]map[string]json.RawMessage `json:"paths"`
	Components struct {
		Schemas map[string]*schema `json:"schemas"`
	} `json:"components"`
}

type operation struct {
	Parameters  []parameter `json:"parameters"`
	RequestBody struct {
		Content map[string]struct {
			Schema   *schema
			Examples map[string]struct{ Value json.RawMessage }
		}
	} `json:"requestBody"`
	Responses map[string]struct {
		Content map[string]struct{ Schema *schema }
	} `json:"responses"`
}

type parameter struct {
	Name, In string
	Example  string
}

type schema struct {
	Ref                  string             `json:"$ref"`
	Type                 any                `json:"type"`
	Enum                 []any              `json:"enum"`
	Properties           map[string]*schema `json:"properties"`
	Required             []string           `json:"required"`
	AdditionalProperties *bool              `json:"additionalProperties"`
	Items                *schema            `json:"items"`
	OneOf                []*schema          `json:"oneOf"`
	Format               string             `json:"format"`
}

func readOpenAPI(t *testing.T) openAPI {
	t.Helper()
	body, err := webui.EmbeddedFile("ui/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var api openAPI
	if err := json.Unmarshal(body, &api); err != nil {
		t.Fatal(err)
	}
	return api
}

// check says where v is not what the schema says.
func (api openAPI) check(s *schema, v any, at string) error {
	if s.Ref != "" {
		name := strings.TrimPrefix(s.Ref, "#/components/schemas/")
		if api.Components.Schemas[name] == nil {
			return fmt.Errorf("%s: there is no %s", at, s.Ref)
		}
		return api.check(api.Components.Schemas[name], v, at+"("+name+")")
	}
	if len(s.OneOf) > 0 {
		var err error
		for _, one := range s.OneOf {
			if err = api.check(one, v, at); err == nil {
				return nil
			}
		}
		return err
	}
	types := []any{s.Type}
	if list, ok := s.Type.([]any); ok {
		types = list
	}
	if !slices.ContainsFunc(types, func(want any) bool { return isType(want, v) }) {
		return fmt.Errorf("%s: %v is not %v", at, v, s.Type)
	}
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
		return fmt.Errorf("%s: %v is not one of %v", at, v, s.Enum)
	}
	switch v := v.(type) {
	case map[string]any:
		return api.checkObject(s, v, at)
	case []any:
		for i, each := range v {
			if err := api.check(s.Items, each, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	case string:
		if s.Format == "date-time" {
			if d, err := time.Parse(time.RFC3339Nano, v); err != nil || d.Location() != time.UTC {
				return fmt.Errorf("%s: %q is not a time in UTC", at, v)
			}
		}
	}
	return nil
}

func (api openAPI) checkObject(s *schema, v map[string]any, at string) error {
	for _, name := range s.Required {
		if _, ok := v[name]; !ok {
			return fmt.Errorf("%s: %s is missing", at, name)
		}
	}
	for name, each := range v {
		p, ok := s.Properties[name]
		if !ok {
			if s.AdditionalProperties != nil && !*s.AdditionalProperties {
				return fmt.Errorf("%s: %s is not described", at, name)
			}
			continue
		}
		if err := api.check(p, each, at+"."+name); err != nil {
			return err
		}
	}
	return nil
}

func isType(want, v any) bool {
	switch v := v.(type) {
	case nil:
		return want == "null"
	case bool:
		return want == "boolean"
	case string:
		return want == "string"
	case float64:
		return want == "number" || want == "integer" && v == math.Trunc(v)
	case []any:
		return want == "array"
	case map[string]any:
		return want == "object"
	}
	return false
}

// The description names every route of the API, and no other.
func TestOpenAPIIsTheRouteTable(t *testing.T) {
	api := readOpenAPI(t)
	described := map[string]bool{}
	for path, ops := range api.Paths {
		for method := range ops {
			if method != "parameters" {
				described[strings.ToUpper(method)+" "+path] = true
			}
		}
	}
	for pattern := range newHouseOffline(t).server.RouteAccess() {
		_, path, _ := strings.Cut(pattern, " ")
		if !strings.HasPrefix(path, "/api/") && path != "/healthz" {
			continue
		}
		if !described[pattern] {
			t.Errorf("%s is not described", pattern)
		}
		delete(described, pattern)
	}
	for pattern := range described {
		t.Errorf("%s is described and does not exist", pattern)
	}
}

// Every example is sent to a house of its own, and the answer must be one
// that is described, and as it is described.
func TestOpenAPIExamples(t *testing.T) {
	api := readOpenAPI(t)
	for path, ops := range api.Paths {
		var shared []parameter
		if raw, ok := ops["parameters"]; ok {
			if err := json.Unmarshal(raw, &shared); err != nil {
				t.Fatal(err)
			}
		}
		for method, raw := range ops {
			if method == "parameters" || path == "/api/events" {
				continue // a stream does not end; it has tests of its own
			}
			var op operation
			if err := json.Unmarshal(raw, &op); err != nil {
				t.Fatal(err)
			}
			bodies := map[string]json.RawMessage{"-": nil}
			if c, ok := op.RequestBody.Content["application/json"]; ok {
				bodies = map[string]json.RawMessage{}
				for name, ex := range c.Examples {
					bodies[name] = ex.Value
					var v any
					if err := json.Unmarshal(ex.Value, &v); err != nil {
						t.Fatal(err)
					}
					if err := api.check(c.Schema, v, "body"); err != nil {
						t.Errorf("%s %s, %s: %v", method, path, name, err)
					}
				}
			}
			for name, body := range bodies {
				t.Run(method+path+" "+name, func(t *testing.T) {
					runExample(t, api, op, method, exampleURL(path, append(shared, op.Parameters...)), string(body))
				})
			}
		}
	}
}

func exampleURL(path string, params []parameter) string {
	query := url.Values{}
	for _, p := range params {
		switch {
		case p.In == "path":
			path = strings.ReplaceAll(path, "{"+p.Name+"}", p.Example)
		case p.In == "query" && p.Example != "":
			query.Set(p.Name, p.Example)
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path
}

func runExample(t *testing.T, api openAPI, op operation, method, path, body string) {
	t.Helper()
	h := newHouse(t).furnish()
	// What the examples name.
	_ = h.tokens.PutToken(webui.Token{Name: "old", Hash: hashOf("foo"), Role: webui.Family})
	h.removed = hub.Device{ID: "dryer", Name: "Dryer", Family: hub.FamilyEmonESP, Role: hub.RolePlug, Topic: "emon/dryer"}
	h.pairing.SetOpen("owner", true)
	h.pairing.ask("smartplug")
	h.token(webui.Owner).do("POST", "/api/deletions", `{"what":"feed","name":"export_w","confirm":"export_w"}`)
	_ = h.notices.PutRules(hub.NoticeRules{MQTT: true})
	_, _, _ = h.clients.Put("grafana", []hub.Grant{{Filter: "hub/#", Read: true}})
	status, answer := h.token(webui.Owner).do(strings.ToUpper(method), path, body)
	if status/100 != 2 {
		t.Fatalf("%s: %d %s", path, status, answer)
	}
	r, ok := op.Responses[fmt.Sprint(status)]
	if !ok {
		t.Fatalf("%s: %d is not described", path, status)
	}
	c, ok := r.Content["application/json"]
	if !ok {
		if answer != "" {
			t.Errorf("%s: a body is not described: %s", path, answer)
		}
		return
	}
	var v any
	if err := json.Unmarshal([]byte(answer), &v); err != nil {
		t.Fatal(err)
	}
	if err := api.check(c.Schema, v, "answer"); err != nil {
		t.Errorf("%s: %v\n%s", path, err, answer)
	}
	// And somebody who may not is answered as described.
	_, refused := h.browser().do(strings.ToUpper(method), path, body, "Host", "evil.example")
	var p any
	if err := json.Unmarshal([]byte(refused), &p); err != nil {
		t.Fatal(err)
	}
	if err := api.check(&schema{Ref: "#/components/schemas/Error"}, p, "error"); err != nil {
		t.Error(err)
	}
}

// The state before anything is known is as described, too.
func TestOpenAPIOfAnEmptyHouse(t *testing.T) {
	api := readOpenAPI(t)
	h := newHouse(t)
	for path, name := range map[string]string{"/api/live": "Live", "/api/plan": "Plan", "/healthz": "Health", "/api/session": "Session"} {
		var v any
		h.browser().get(path, &v)
		if err := api.check(&schema{Ref: "#/components/schemas/" + name}, v, path); err != nil {
			t.Error(err)
		}
	}
}
