package webui

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"homehub/hub"
)

// Certificate is that of the hub's own authority, by which phones and devices
// know the hub. It is no secret.
type Certificate struct {
	Name        string // as it is listed on a phone
	DER         []byte
	Fingerprint string // SHA-256, as phones show it, in groups
}

// Where the guide and the certificate are. None needs a log-in, or a
// connection that is secure already.
const (
	securePath  = "/secure"
	pemPath     = "/hub-ca.pem"          // for devices
	filePath    = "/hub-ca.crt"          // for phones and computers
	profilePath = "/hub-ca.mobileconfig" // for iOS
)

// certificateFiles are the ways the certificate is wanted.
var certificateFiles = map[string]struct {
	mime string
	body func(l locale, c Certificate) []byte
}{
	pemPath: {"application/x-pem-file", func(_ locale, c Certificate) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.DER})
	}},
	filePath:    {"application/x-x509-ca-cert", func(_ locale, c Certificate) []byte { return c.DER }},
	profilePath: {"application/x-apple-aspen-config", profile},
}

// sendCertificate answers with one of certificateFiles, and says whether the
// request asked for one.
func (s *Server) sendCertificate(w http.ResponseWriter, r *http.Request) bool {
	file, ok := certificateFiles[r.URL.Path]
	if !ok || r.Method != http.MethodGet || s.cfg.Certificate == nil {
		return false
	}
	c, err := s.cfg.Certificate()
	if err != nil {
		s.fail(w, r, viewer{}, err)
		return true
	}
	w.Header().Set("Content-Type", file.mime)
	w.Header().Set("Content-Disposition", `attachment; filename="`+strings.TrimPrefix(r.URL.Path, "/")+`"`)
	_, _ = w.Write(file.body(s.texts.of(r), c))
	return true
}

// profile is the certificate as iOS installs it (Apple, Configuration Profile
// Reference, Certificate Payload). Its identifiers follow from the
// certificate, so that installing it twice makes one.
func profile(l locale, c Certificate) []byte {
	id := func(what string) string {
		sum := sha256.Sum256(append([]byte(what), c.DER...))
		sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80 // RFC 9562, 5.8
		return fmt.Sprintf("%X-%X-%X-%X-%X", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
	}
	name := template.HTMLEscapeString(c.Name)
	return fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
<key>PayloadType</key><string>Configuration</string><key>PayloadVersion</key><integer>1</integer>
<key>PayloadIdentifier</key><string>local.homehub.%[2]s</string><key>PayloadUUID</key><string>%[2]s</string>
<key>PayloadDisplayName</key><string>%[1]s</string><key>PayloadDescription</key><string>%[3]s</string>
<key>PayloadContent</key><array><dict>
<key>PayloadType</key><string>com.apple.security.root</string><key>PayloadVersion</key><integer>1</integer>
<key>PayloadIdentifier</key><string>local.homehub.%[4]s</string><key>PayloadUUID</key><string>%[4]s</string>
<key>PayloadDisplayName</key><string>%[1]s</string>
<key>PayloadContent</key><data>%[5]s</data>
</dict></array>
</dict></plist>
`, name, id("profile"), template.HTMLEscapeString(l.T("secure.why")), id("certificate"), base64.StdEncoding.EncodeToString(c.DER))
}

// httpsPort is where the pages are over HTTPS at the moment, 0: nowhere.
func (s *Server) httpsPort() int {
	if s.cfg.HTTPSPort == nil {
		return 0
	}
	return s.cfg.HTTPSPort()
}

// httpsAddress is the address of the pages over HTTPS, for a name or address.
func httpsAddress(host string, port int) string {
	if port != 443 {
		return "https://" + net.JoinHostPort(host, strconv.Itoa(port))
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return "https://" + host
}

// onward sends browsers that ask for a page over HTTP on to HTTPS, where the
// configuration says so. The guide stays: without the certificate nobody
// would get to it.
func (s *Server) onward(next http.Handler) http.Handler {
	if !s.cfg.RedirectHTTPS {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		port, local := s.httpsPort(), r.Context().Value(localKey{}) != nil
		if r.TLS == nil && !local && port != 0 && safeMethod(r.Method) && r.URL.Path != securePath && strings.Contains(r.Header.Get("Accept"), "text/html") {
			// For now: whoever turns this off again must not be sent on by a
			// browser that remembers.
			http.Redirect(w, r, httpsAddress(hostOf(r), port)+r.URL.RequestURI(), http.StatusTemporaryRedirect)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// securePage is the guide to HTTPS.
type securePage struct {
	view
	On        bool // this page came over TLS
	Cert      *Certificate
	Addresses []string // over HTTPS
	Ways      []secureWay
}

// secureWay is how one kind of phone or computer takes the certificate.
type secureWay struct {
	Name  string
	Steps []string
}

func (s *Server) pageSecure(w http.ResponseWriter, r *http.Request, v viewer) error {
	p := securePage{view: s.view(r, v, "more", "secure"), On: r.TLS != nil}
	if s.cfg.Certificate == nil || s.cfg.HTTPSPort == nil {
		return hub.Errorf(hub.NotFound, "the hub's pages are not there over HTTPS: see web.listen_tls in its configuration")
	}
	port := s.httpsPort()
	c, err := s.cfg.Certificate()
	if err != nil || port == 0 {
		return s.show(w, r, http.StatusOK, "secure.html", p)
	}
	p.Cert = &c
	host := "hub.local"
	if s.cfg.NetName != nil && s.cfg.NetName().Host != "" {
		host = s.cfg.NetName().Host
	}
	p.Addresses = []string{httpsAddress(host, port)}
	if addr, err := netip.ParseAddr(hostOf(r)); err == nil && !addr.IsLoopback() { // the name may have failed
		p.Addresses = append(p.Addresses, httpsAddress(addr.String(), port))
	}
	for _, way := range []secureWay{
		{"iPhone, iPad", []string{"secure.iphone.1", "secure.iphone.2", "secure.iphone.3"}},
		{"Android", []string{"secure.android.1", "secure.android.2", "secure.android.3"}},
		{"Windows", []string{"secure.windows.1", "secure.windows.2"}},
		{"Mac", []string{"secure.mac.1", "secure.mac.2"}},
		{"Firefox", []string{"secure.firefox.1", "secure.firefox.2"}},
		{"Chrome (Linux)", []string{"secure.chrome.1", "secure.chrome.2"}},
	} {
		for i, key := range way.Steps {
			way.Steps[i] = p.T(key, c.Name)
		}
		p.Ways = append(p.Ways, way)
	}
	return s.show(w, r, http.StatusOK, "secure.html", p)
}
