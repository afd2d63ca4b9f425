package main

import (
	"context"
	"encoding/hex"
	"errors"
	"regexp"
	"strings"

	"homehub/hub"
	"homehub/mqtt"
	"homehub/store"
	"homehub/tsdb"
	"homehub/webui"
)

// The desks give the pages what they ask for, out of the parts that have it.

// feedShelf is the history as the pages see it.
type feedShelf struct {
	*tsdb.DB
	live interface{ Snapshot() hub.Snapshot }
}

// Feeds lists all feeds with their titles.
func (s feedShelf) Feeds() []webui.Feed {
	titles := map[string]string{}
	for _, spec := range hub.FeedSpecs(s.live.Snapshot()) {
		titles[spec.Name] = spec.Title
	}
	all := s.DB.Feeds()
	feeds := make([]webui.Feed, len(all))
	for i, f := range all {
		title := titles[f.Name]
		if title == "" {
			title = f.Name // of a device that is gone
		}
		feeds[i] = webui.Feed{
			Name: f.Name, Title: title, Unit: f.Unit, Counter: f.Kind == tsdb.Counter,
			Interval: f.Interval, First: f.First, Last: f.Last,
		}
		if p, ok := lastPoint(s.DB, f.Name); ok {
			feeds[i].Value = p.Value
		}
	}
	return feeds
}

// Points answers a question to one feed.
func (s feedShelf) Points(_ context.Context, feed string, q webui.Query) ([]webui.Point, error) {
	points, err := s.Query(feed, tsdb.Query{
		Start: q.Start, End: q.End, Step: q.Step, Calendar: calendars[q.Calendar], Location: q.Start.Location(), Of: aggregates[q.Aggregate],
	})
	switch {
	case errors.Is(err, tsdb.ErrNoFeed):
		return nil, hub.Errorf(hub.NotFound, "there is no feed %q", feed)
	case errors.Is(err, tsdb.ErrTooMany):
		return nil, hub.FieldErrorf("interval", "is too short for that span: at most %d points fit an answer", tsdb.MaxPoints)
	case errors.Is(err, tsdb.ErrConfig):
		return nil, hub.FieldErrorf("average", "%v", err)
	case err != nil:
		return nil, err
	}
	out := make([]webui.Point, len(points))
	for i, p := range points {
		out[i] = webui.Point{At: p.At, Value: p.Value, OK: p.OK}
	}
	return out, nil
}

var calendars = map[webui.Calendar]tsdb.Calendar{
	webui.CalendarDay: tsdb.Day, webui.CalendarWeek: tsdb.Week, webui.CalendarMonth: tsdb.Month, webui.CalendarYear: tsdb.Year,
}

var aggregates = map[webui.Aggregate]tsdb.Aggregate{
	webui.AggregateMean: tsdb.Mean, webui.AggregateMin: tsdb.Min, webui.AggregateMax: tsdb.Max, webui.AggregateDelta: tsdb.Delta,
}

// people are the users.
type people struct{ store *store.Store }

// User is the person of a name.
func (p people) User(name string) (webui.User, bool) {
	u, ok := p.store.User(name)
	return userOf(u), ok
}

func userOf(u store.User) webui.User {
	return webui.User{Name: u.Name, Role: webui.Role(u.Role), PasswordHash: u.Password, Until: u.Until}
}

func (p people) list() (all []webui.User) {
	for _, u := range p.store.Users() {
		all = append(all, userOf(u))
	}
	return all
}

// PutUser keeps a person.
func (p people) PutUser(u webui.User) error {
	return p.store.PutUser(store.User{Name: u.Name, Role: string(u.Role), Password: u.PasswordHash, Until: u.Until})
}

// tokens are the log-ins of programs to the API.
type tokens struct{ store *store.Store }

// Token is the token of a hash.
func (t tokens) Token(hash []byte) (webui.Token, bool) {
	k, ok := t.store.Token(hex.EncodeToString(hash))
	return webui.Token{Name: k.Name, Hash: hash, Role: webui.Role(k.Role), Made: k.Made, By: k.By}, ok
}

// PutToken keeps a token.
func (t tokens) PutToken(k webui.Token) error {
	return t.store.PutToken(store.Token{Name: k.Name, Hash: hex.EncodeToString(k.Hash), Role: string(k.Role), Made: k.Made, By: k.By})
}

// DeleteToken ends a token.
func (t tokens) DeleteToken(hash []byte) error { return t.store.DeleteToken(hex.EncodeToString(hash)) }

func (t tokens) list() []webui.Token {
	var out []webui.Token
	for _, k := range t.store.Tokens() {
		if hash, err := hex.DecodeString(k.Hash); err == nil {
			out = append(out, webui.Token{Name: k.Name, Hash: hash, Role: webui.Role(k.Role), Made: k.Made, By: k.By})
		}
	}
	return out
}

// clientDesk makes and ends the broker log-ins of the owner's programs.
type clientDesk struct {
	store  *store.Store
	broker *mqtt.Broker
	clock  hub.Clock
}

var (
	clientName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	notInName  = regexp.MustCompile(`[^a-z0-9]+`)
)

// Put makes a log-in; its secret is shown this once.
func (d clientDesk) Put(name string, grants []hub.Grant) (hub.Credential, string, error) {
	cred, secret, err := newClient(d.store, name, grants, d.clock)
	if err != nil {
		return hub.Credential{}, "", err
	}
	return cred, secret, nil
}

// newClient makes a log-in whose id is the name in small letters, as MQTT
// clients are picky about anything else.
func newClient(s *store.Store, name string, grants []hub.Grant, clock hub.Clock) (hub.Credential, string, error) {
	name = strings.Trim(notInName.ReplaceAllString(strings.ToLower(name), "-"), "-")
	if !clientName.MatchString(name) {
		return hub.Credential{}, "", hub.FieldErrorf("name", "must begin with a letter and have at most 32 letters, digits or dashes")
	}
	if _, taken := s.Credential(name); taken {
		return hub.Credential{}, "", &hub.Error{Code: hub.Conflict, Field: "name", Message: "is taken: revoke it first, or choose another"}
	}
	cred, secret := hub.NewCredential(name, "", grants, clock.Now())
	return cred, secret, s.PutCredential(cred)
}

// List are the log-ins of programs, not those of devices.
func (d clientDesk) List() []hub.Credential {
	var out []hub.Credential
	for _, c := range d.store.Credentials() {
		if c.Device == "" {
			out = append(out, c)
		}
	}
	return out
}

// Delete ends a log-in and cuts its connection.
func (d clientDesk) Delete(id string) error {
	if c, ok := d.store.Credential(id); !ok || c.Device != "" {
		return hub.Errorf(hub.NotFound, "there is no log-in %q", id)
	}
	if err := d.store.DeleteCredential(id); err != nil {
		return err
	}
	d.broker.Revoke(id)
	return nil
}
