package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"homehub/hub"
	"homehub/store"
	"homehub/tsdb"
)

// archiveDesk gives the pages all that the hub keeps, to take away and to
// give up.
type archiveDesk struct{ i *installation }

// ExportFeed writes a feed's values as CSV until ctx ends.
func (d archiveDesk) ExportFeed(ctx context.Context, name string, to io.Writer) error {
	_, err := d.i.db.ExportText(name, tsdb.CSV, whileOpen{ctx, to}, time.Time{}, time.Time{}, nil)
	return err
}

// whileOpen ends an export that nobody waits for any more.
type whileOpen struct {
	ctx context.Context
	to  io.Writer
}

func (w whileOpen) Write(b []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.to.Write(b)
}

// exported is settings.json: every decision, and no secret or hash of one.
type exported struct {
	Format    string             `json:"format"`
	At        time.Time          `json:"at"`
	House     keptHouse          `json:"house"`
	Contracts []datedContract    `json:"contracts"`
	Devices   []hub.Device       `json:"devices"`
	People    []exportedPerson   `json:"people"`
	Tokens    []exportedPerson   `json:"tokens"`
	Programs  []exportedProgram  `json:"programs"`
	Notices   hub.NoticeRules    `json:"notices"`
	Audit     []store.AuditEntry `json:"audit"`
}

type exportedPerson struct {
	Name string `json:"name"`
	Role string `json:"role"`
}

type exportedProgram struct {
	ID     string      `json:"id"`
	Device string      `json:"device,omitempty"`
	Grants []hub.Grant `json:"grants"`
}

// ExportSettings writes all decisions as JSON.
func (d archiveDesk) ExportSettings(to io.Writer) error {
	s := d.i.store
	out := exported{
		Format: "homehub/settings/1", At: d.i.opt.clock.Now(), Devices: s.Devices(),
		Notices: noticeRules(s).WithoutSecrets(), Audit: s.AuditLog(),
	}
	s.Setting(houseKey, &out.House)
	out.Contracts, _ = contracts(s)
	for _, u := range s.Users() {
		out.People = append(out.People, exportedPerson{u.Name, u.Role})
	}
	for _, t := range s.Tokens() {
		out.Tokens = append(out.Tokens, exportedPerson{t.Name, t.Role})
	}
	for _, c := range s.Credentials() {
		out.Programs = append(out.Programs, exportedProgram{c.ID, c.Device, c.Grants})
	}
	enc := json.NewEncoder(to)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}

// DeleteFeed gives up a feed's values. A feed that is still filled begins
// anew, empty.
func (d archiveDesk) DeleteFeed(name string) error {
	err := d.i.db.Delete(name)
	for _, spec := range hub.FeedSpecs(d.i.hub.Snapshot()) {
		if spec.Name == name {
			err = errors.Join(err, d.i.ensureFeed(spec))
		}
	}
	return err
}

// TrimFeeds gives up the values of all feeds from before a time.
func (d archiveDesk) TrimFeeds(before time.Time) error {
	var errs []error
	for _, f := range d.i.db.Feeds() {
		errs = append(errs, d.i.db.Trim(f.Name, before))
	}
	return errors.Join(errs...)
}

// Forget deletes all that is kept of a person.
func (d archiveDesk) Forget(person string) error {
	if err := d.i.store.Forget(person); err != nil {
		return err
	}
	d.i.notices.Forget(person)
	return nil
}

// EraseAll deletes everything: it is noted durably, done when all is closed,
// and the hub begins anew.
func (d archiveDesk) EraseAll() error {
	if err := markErase(d.i.cfg.Data.Dir); err != nil {
		return err
	}
	d.i.opt.ring.Clear()
	select {
	case d.i.again <- struct{}{}:
	default: // asked for already
	}
	return nil
}

// restoreClient brings a program's log-in back, unless its name was given to
// another meanwhile.
func (i *installation) restoreClient(c hub.Credential) error {
	if _, taken := i.store.Credential(c.ID); taken {
		return hub.Errorf(hub.Conflict, "another program is called %s now", c.ID)
	}
	return i.store.PutCredential(c)
}
