package hub

import (
	"net"
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// NoticeKind is what kind of thing the hub tells the people of the house.
type NoticeKind string

// The kinds of notice. About names what it is about.
const (
	NoticeMeter   NoticeKind = "meter"   // the meter says nothing
	NoticeDevice  NoticeKind = "device"  // a device does not do what it is told: its name
	NoticeGuard   NoticeKind = "guard"   // a guard holds devices back: what it protects
	NoticeStorage NoticeKind = "storage" // readings or settings can not be kept: the part
	NoticeRun     NoticeKind = "run"     // a planned run is finished: the device's name
	NoticeLogin   NoticeKind = "login"   // somebody logged in: who, and from where in Detail
	NoticePairing NoticeKind = "pairing" // a device asks to be let in: what it calls itself
	NoticeTest    NoticeKind = "test"    // somebody tries whether messages arrive
)

// NoticeKinds are the kinds that people can switch off, in the order in which
// pages show them.
func NoticeKinds() []NoticeKind {
	return []NoticeKind{NoticeMeter, NoticeDevice, NoticeGuard, NoticeStorage, NoticeRun, NoticeLogin, NoticePairing}
}

// Notice is one thing the hub tells the people of the house.
type Notice struct {
	Kind   NoticeKind `json:"kind"`
	At     time.Time  `json:"at"`
	About  string     `json:"about,omitempty"`
	Detail string     `json:"detail,omitempty"` // why, in English, as the parts say it
	Over   bool       `json:"over,omitempty"`   // the trouble of this kind and About is over
}

// Same says whether o is about the same thing.
func (n Notice) Same(o Notice) bool { return n.Kind == o.Kind && n.About == o.About }

// Urgent says whether the notice breaks quiet hours: what is lost for good by
// the morning, and what somebody may do at night who should not.
func (n Notice) Urgent() bool {
	return n.Kind == NoticeStorage || n.Kind == NoticeLogin || n.Kind == NoticeTest
}

// Channel is a way by which notices leave the hub. On its pages they always
// stand.
type Channel string

// The channels.
const (
	ChannelMail    Channel = "mail"
	ChannelNtfy    Channel = "ntfy"
	ChannelMQTT    Channel = "mqtt"
	ChannelWebhook Channel = "webhook"
)

// Channels are all channels, in the order in which pages show them.
func Channels() []Channel { return []Channel{ChannelMail, ChannelNtfy, ChannelMQTT, ChannelWebhook} }

// NoticeRules is what people decided about notices. The zero value sends
// nothing: nothing leaves the house unless somebody wants it.
type NoticeRules struct {
	Off       []NoticeKind  `json:"off,omitempty"` // kinds that are not sent
	Quiet     bool          `json:"quiet,omitempty"`
	QuietFrom LocalTime     `json:"quiet_from,omitempty"` // the wall clock; from = to: never quiet
	QuietTo   LocalTime     `json:"quiet_to,omitempty"`
	Mail      MailRoute     `json:"mail,omitzero"`
	Ntfy      NtfyRoute     `json:"ntfy,omitzero"`
	MQTT      bool          `json:"mqtt,omitempty"` // to homehub/notice on the hub's own broker
	Webhook   WebhookRoute  `json:"webhook,omitzero"`
	Settle    time.Duration `json:"settle_ns,omitempty"` // see SettleTime
}

// MailRoute is how e-mail leaves the hub: by somebody else's mail server. An
// empty Server is none.
type MailRoute struct {
	Server   string `json:"server,omitempty"` // host:port; 465 is TLS from the first byte, others STARTTLS
	User     string `json:"user,omitempty"`   // "": no log-in
	Password string `json:"password,omitempty"`
	From     string `json:"from,omitempty"`
	To       string `json:"to,omitempty"` // several are parted by commas
}

// NtfyRoute is a topic of an ntfy server (https://docs.ntfy.sh/publish). An
// empty URL is none.
type NtfyRoute struct {
	URL   string `json:"url,omitempty"` // with the topic, e.g. https://ntfy.sh/our-house
	Token string `json:"token,omitempty"`
}

// WebhookRoute is an address that gets every notice as JSON. An empty URL is
// none.
type WebhookRoute struct {
	URL string `json:"url,omitempty"`
	// Secret signs the body: X-Homehub-Signature is sha256= and the HMAC-SHA256
	// in hexadecimal.
	Secret string `json:"secret,omitempty"`
}

// SettleTime is how long trouble lasts before it is told: what is over by
// then is no news. 5 minutes if nobody decided.
func (r NoticeRules) SettleTime() time.Duration {
	if r.Settle > 0 {
		return r.Settle
	}
	return 5 * time.Minute
}

// Uses says whether notices leave by a channel.
func (r NoticeRules) Uses(c Channel) bool {
	switch c {
	case ChannelMail:
		return r.Mail.Server != ""
	case ChannelNtfy:
		return r.Ntfy.URL != ""
	case ChannelMQTT:
		return r.MQTT
	case ChannelWebhook:
		return r.Webhook.URL != ""
	}
	return false
}

// Wants says whether a kind is sent at all.
func (r NoticeRules) Wants(k NoticeKind) bool { return !slices.Contains(r.Off, k) }

// WithoutSecrets is what may be shown: whoever sees the page learns no
// password that somebody typed into it.
func (r NoticeRules) WithoutSecrets() NoticeRules {
	r.Mail.Password, r.Ntfy.Token, r.Webhook.Secret = "", "", ""
	return r
}

// KeepSecrets fills secrets that were left empty from the rules before, as
// long as they go to the same place: a secret never follows to another one.
func (r NoticeRules) KeepSecrets(before NoticeRules) NoticeRules {
	if r.Mail.Password == "" && r.Mail.Server == before.Mail.Server && r.Mail.User == before.Mail.User {
		r.Mail.Password = before.Mail.Password
	}
	if r.Ntfy.Token == "" && r.Ntfy.URL == before.Ntfy.URL {
		r.Ntfy.Token = before.Ntfy.Token
	}
	if r.Webhook.Secret == "" && r.Webhook.URL == before.Webhook.URL {
		r.Webhook.Secret = before.Webhook.Secret
	}
	return r
}

// Validate checks rules from outside. The error names the field.
func (r NoticeRules) Validate() error {
	for _, k := range r.Off {
		if !slices.Contains(NoticeKinds(), k) {
			return FieldErrorf("off", "%q is not a kind of notice", k)
		}
	}
	for field, at := range map[string]LocalTime{"quiet_from": r.QuietFrom, "quiet_to": r.QuietTo} {
		if at < 0 || at >= 24*60 {
			return FieldErrorf(field, "must be a time of day like 22:00")
		}
	}
	if r.Settle < 0 || r.Settle > time.Hour {
		return FieldErrorf("settle_ns", "must be at most an hour")
	}
	if err := r.Mail.validate(); err != nil {
		return err
	}
	if err := checkAddress("ntfy", r.Ntfy.URL); err != nil {
		return err
	}
	if u, _ := url.Parse(r.Ntfy.URL); r.Ntfy.URL != "" && strings.Trim(u.Path, "/") == "" {
		return FieldErrorf("ntfy", "must end with the topic, like https://ntfy.sh/our-house")
	}
	return checkAddress("webhook", r.Webhook.URL)
}

func (m MailRoute) validate() error {
	if m.Server == "" {
		return nil
	}
	host, port, err := net.SplitHostPort(m.Server)
	if n, nerr := strconv.Atoi(port); err != nil || host == "" || nerr != nil || n < 1 || n > 65535 || len(m.Server) > 256 {
		return FieldErrorf("mail_server", "must be a name with a port, like mail.example.org:587")
	}
	if _, err := mail.ParseAddress(m.From); err != nil {
		return FieldErrorf("mail_from", "%q is not an e-mail address", m.From)
	}
	to, err := mail.ParseAddressList(m.To)
	if err != nil || len(to) > 8 {
		return FieldErrorf("mail_to", "must be 1 to 8 e-mail addresses, parted by commas")
	}
	if len(m.User) > 256 || len(m.Password) > 256 {
		return FieldErrorf("mail_user", "name and password have at most 256 bytes")
	}
	return nil
}

func checkAddress(field, address string) error {
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || len(address) > 512 {
		return FieldErrorf(field, "must be an address that begins with https:// or http://")
	}
	return nil
}
