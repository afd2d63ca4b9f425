package webui

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"homehub/hub"
)

// Live is the state of the house. *hub.Hub satisfies it.
type Live interface {
	Snapshot() hub.Snapshot
	Subscribe() *hub.Subscription
}

// Devices keeps what people decide about devices. Both calls return when the
// decision is durable. *hub.Hub satisfies it.
type Devices interface {
	PutDevice(d hub.Device) error
	DeleteDevice(ctx context.Context, id string) error
}

// Health says how the parts of the hub are. *hub.Health satisfies it.
type Health interface {
	Parts() ([]hub.Part, hub.Condition)
}

// Logs is the ring of the last log lines, oldest first.
type Logs interface {
	Lines() []string
}

// Clients are the broker log-ins of the owner's own programs. Put and Delete
// return when the change is durable.
type Clients interface {
	Put(name string, grants []hub.Grant) (cred hub.Credential, secret string, err error)
	List() []hub.Credential
	Delete(id string) error
}

// Config is what a Server is made of. Live, Devices, Feeds, Users and Health
// must be set; everything else may be zero.
type Config struct {
	Clock  hub.Clock      // the house's clock
	Zone   *time.Location // the house's zone, UTC if nil; pages show no other
	Logger *slog.Logger   // nil: nothing is logged

	Live    Live
	Devices Devices
	Feeds   Feeds
	Users   Users
	Health  Health

	Tokens    Tokens         // nil: no bearer tokens
	TokenList func() []Token // for the page that revokes them; nil: not listed
	Clients   Clients        // nil: no broker log-ins from here
	Logs      Logs           // nil: no log on the status page

	// RestoreClient brings a broker log-in back that was just removed, with the
	// password it had; nil: it is gone.
	RestoreClient func(c hub.Credential) error

	UserList   func() []User           // for the page that ends log-ins; nil: not listed
	DeleteUser func(name string) error // durably; nil: people can not be removed from here
	AuditLog   func() []AuditLine      // newest first; nil: not shown

	Pairing Pairing // nil: no device can ask to be let in
	Setup   Setup   // nil: no device is looked for
	// LogIn makes a log-in at the broker for a device, in place of any earlier
	// one, and says at which port; nil: no broker runs here.
	LogIn func(d hub.Device) (cred hub.Credential, secret string, port int, err error)
	// Listen says what is heard in the places of a device's map, and waits for
	// ctx if nothing came yet; nil: nobody listens.
	Listen func(ctx context.Context, d hub.Device) ([]hub.Heard, error)
	// Restore brings back a device that was deleted a moment ago, with its
	// log-in; nil: it is gone.
	Restore func(id string) error
	// Can is what a device can do by its family; nil: nobody says.
	Can func(d hub.Device) []hub.Ability
	// NetName is what the hub is called in the network; nil: nobody looks.
	NetName func() NetName

	Version  string   // of the program; a page that sees it change reloads
	Language string   // of the house, for browsers that ask for none there is: en (or ""), nl, fr, de, cy
	ReadOpen bool     // looking needs no log-in; changing always does
	Hosts    []string // names the hub is called by beside hub.local and its own addresses

	// Websocket takes MQTT at /mqtt, nil: none.
	Websocket http.Handler
	// Certificate is by what phones and devices know the hub, nil: nothing of
	// it speaks TLS. It fails while there is none to be had.
	Certificate func() (Certificate, error)
	// HTTPSPort is where the pages are over HTTPS at the moment, 0: nowhere;
	// nil: they never are. HTTPPort is where they are without, 0: who asks
	// knows.
	HTTPSPort func() int
	HTTPPort  int
	// RedirectHTTPS sends browsers on to HTTPS, where that is.
	RedirectHTTPS bool

	// Preview is what the plan would be if device d had schedule s; nil: the
	// editor shows none.
	Preview func(d hub.Device, s hub.Schedule) (hub.Planned, error)
	// Prices are n slots from the one that holds from, in the past too; nil:
	// what a device cost is not told.
	Prices func(from time.Time, n int) []hub.Slot
	// Archive is all that the hub keeps; nil: nothing can be taken away.
	Archive Archive
	// House keeps what is decided about the house itself; nil: the
	// configuration alone says it, and there is no first run.
	House House
	// Notices are what the hub told the people of the house; nil: nothing.
	Notices Notices
	// SetLimit puts a limit from outside in force, one without a source
	// withdraws it; nil: none is taken.
	SetLimit func(l hub.Limit) error
	// Audit records who did what: a kind that Deed puts into words, and its
	// values; nil: nobody records it.
	Audit func(who, what string, values ...string)
}

// Server answers the house's browsers and programs.
type Server struct {
	cfg      Config
	wall     hub.Clock // the machine's clock: log-ins and streams live in real time whatever the house's clock does
	sessions *sessions
	tries    *tries
	hashing  hashing
	streams  *streams
	// pairingSeq rises with every change of a pairing.
	pairingSeq atomic.Uint64
	assets     *assets
	texts      *texts
	pages      *pages
	routes     []route
	handler    http.Handler
	undos      *undos
	// deletions are what will be gone in a moment.
	deletions deletions
	edit      sync.Mutex // one read-change-write of a device at a time
	claim     sync.Mutex // one first password at a time
}

// New makes a server. Nothing runs until its Handler gets a request.
func New(cfg Config) (*Server, error) {
	if cfg.Live == nil || cfg.Devices == nil || cfg.Feeds == nil || cfg.Users == nil || cfg.Health == nil {
		return nil, errors.New("webui needs Live, Devices, Feeds, Users and Health")
	}
	if cfg.Zone == nil {
		cfg.Zone = time.UTC
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{cfg: cfg, sessions: newSessions(cfg.idle), tries: newTries(), hashing: newHashing(), streams: newStreams(), undos: newUndos(), deletions: deletions{list: map[string]deletion{}}}
	var err error
	if s.assets, err = newAssets(); err != nil {
		return nil, err
	}
	if s.texts, err = newTexts(cfg.Language); err != nil {
		return nil, err
	}
	if s.pages, err = newPages(); err != nil {
		return nil, err
	}
	s.routes = s.table()
	s.handler = s.guard(s.beside(s.onward(s.mux())))
	return s, nil
}

// Handler answers every request of the hub's web address. Its server must not
// set a WriteTimeout: streams last as long as the page is open, and set their
// own deadline for every write.
func (s *Server) Handler() http.Handler { return s.handler }

// Close ends all streams and refuses new ones, so that the HTTP server can
// shut down in time.
func (s *Server) Close() {
	s.streams.close()
	s.deletions.close()
}

// idle is how long a log-in lasts without a request.
func (c *Config) idle() time.Duration {
	if c.House != nil {
		if d := c.House.Settings().Idle; d > 0 {
			return d
		}
	}
	return sessionIdle
}

// now is the time of the house in its zone.
func (s *Server) now() time.Time { return s.cfg.Clock.Now().In(s.cfg.Zone) }

// audit records a deed of a viewer. What is told of it has the text
// did.<what> with the values in its holes.
func (s *Server) audit(v viewer, what string, values ...string) {
	if s.cfg.Audit == nil {
		return
	}
	s.cfg.Audit(v.name(), what, values...)
}
