package mdns

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// patience is how long a test waits for what has to happen, however busy the
// machine is.
const patience = time.Minute

// The test binary is also the machines of a house: each runs in a network
// namespace of its own.
func TestMain(m *testing.M) {
	switch role, arg, _ := strings.Cut(os.Getenv("MDNS_ROLE"), " "); role {
	case "respond":
		ctx, cancel := context.WithCancel(context.Background())
		go func() { // until its standard input is closed
			_, _ = bufio.NewReader(os.Stdin).ReadString(0)
			cancel()
		}()
		cfg := Config{
			Name: arg, Services: []Service{{Type: "_http._tcp", Port: 80, Text: map[string]string{"path": "/"}}, {Type: "_mqtt._tcp", Port: 1883}},
			Changed: func(s State) { _ = json.NewEncoder(os.Stdout).Encode(s) },
		}
		if err := Respond(ctx, cfg); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	case "lookup":
		name, most, _ := strings.Cut(arg, " ")
		limit, _ := time.ParseDuration(most)
		fmt.Println(lookup(name, limit))
		os.Exit(0)
	case "browse":
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		err := Browse(ctx, strings.Fields(arg), func(i Instance) { _ = json.NewEncoder(os.Stdout).Encode(i) })
		cancel()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// lookup asks everybody as a program does that is no responder, from a port of
// its own, once a second, and returns the first address that anybody answers.
func lookup(name string, most time.Duration) string {
	c, err := net.ListenUDP("udp4", nil)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: 7}, Questions: []dnsmessage.Question{{Name: mustName(name + "."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}}
	q, err := m.Pack()
	if err != nil {
		return err.Error()
	}
	buf := make([]byte, 1500)
	for end := time.Now().Add(most); time.Now().Before(end); {
		if _, err := c.WriteTo(q, &group); err != nil {
			return err.Error()
		}
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		if n, _, err := c.ReadFrom(buf); err == nil && m.Unpack(buf[:n]) == nil && m.ID == 7 && len(m.Answers) > 0 {
			addr, _ := addrOf(m.Answers[0])
			return addr.String()
		}
	}
	return "nobody"
}

// lan is a network of machines that hear each other, and nobody else.
type lan struct {
	t      *testing.T
	prefix string
	n      int
}

// missing skips the test, but where everything has to run.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

func newLAN(t *testing.T) *lan {
	t.Helper()
	if testing.Short() {
		t.Skip("a network of machines is not short")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		missing(t, "ip is not installed: apt-get install iproute2")
	}
	l := &lan{t: t, prefix: fmt.Sprintf("hh%d", os.Getpid()%10000)}
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", l.prefix).Run() })
	for _, args := range [][]string{{"netns", "add", l.prefix}, {"-n", l.prefix, "link", "add", "name", "br0", "type", "bridge", "mcast_snooping", "0"}, {"-n", l.prefix, "link", "set", "br0", "up"}} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Skipf("a network namespace can not be made (root is needed): ip %v: %v %s", args, err, out)
		}
	}
	return l
}

// machine is a new machine with an address, and returns its namespace.
func (l *lan) machine() string {
	l.t.Helper()
	l.n++
	ns, dev := fmt.Sprintf("%s-%d", l.prefix, l.n), fmt.Sprintf("v%d", l.n)
	l.ip("netns", "add", ns)
	l.t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", ns).Run() })
	l.ip("-n", l.prefix, "link", "add", dev, "type", "veth", "peer", "name", "eth0", "netns", ns)
	l.ip("-n", l.prefix, "link", "set", dev, "master", "br0", "up")
	l.ip("-n", ns, "link", "set", "lo", "up")
	l.ip("-n", ns, "addr", "add", fmt.Sprintf("192.168.77.%d/24", l.n), "dev", "eth0")
	l.ip("-n", ns, "link", "set", "eth0", "up")
	l.ip("-n", ns, "route", "add", "default", "dev", "eth0")
	return ns
}

func (l *lan) ip(args ...string) {
	l.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		l.t.Fatalf("ip %v: %v %s", args, err, out)
	}
}

// run starts this binary on a machine, and returns its lines and what ends it.
func (l *lan) run(ns, role string) (lines <-chan string, stop func()) {
	l.t.Helper()
	cmd := exec.Command("ip", "netns", "exec", ns, os.Args[0])
	cmd.Env = append(os.Environ(), "MDNS_ROLE="+role)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	c, done := make(chan string, 64), make(chan struct{})
	go func() {
		defer close(done)
		for s := bufio.NewScanner(out); s.Scan(); {
			c <- s.Text()
		}
	}()
	ended := false
	stop = func() {
		if !ended {
			ended = true
			in.Close()
			timer := time.AfterFunc(5*time.Second, func() { _ = cmd.Process.Kill() })
			<-done
			_ = cmd.Wait()
			timer.Stop()
		}
	}
	l.t.Cleanup(func() { _ = cmd.Process.Kill(); stop() })
	return c, stop
}

// state waits for a state whose host is the wanted one.
func (l *lan) state(lines <-chan string, host string) State {
	l.t.Helper()
	for limit := time.After(patience); ; {
		select {
		case line := <-lines:
			var s State
			if err := json.Unmarshal([]byte(line), &s); err != nil {
				l.t.Fatalf("%s: %v", line, err)
			}
			if s.Host == host {
				return s
			}
			l.t.Logf("before %s: %+v", host, s)
		case <-limit:
			l.t.Fatalf("it is never called %s", host)
		}
	}
}

// lookup is what one machine hears when it asks all others for a name.
func (l *lan) lookup(ns, name string) string {
	l.t.Helper()
	return l.ask(ns, name, patience)
}

// silent says whether nobody answers to a name.
func (l *lan) silent(ns, name string) bool {
	l.t.Helper()
	return l.ask(ns, name, 3*time.Second) == "nobody"
}

func (l *lan) ask(ns, name string, most time.Duration) string {
	l.t.Helper()
	lines, stop := l.run(ns, "lookup "+name+" "+most.String())
	defer stop()
	select {
	case line := <-lines:
		return line
	case <-time.After(2 * patience):
		return "no answer"
	}
}

// dig asks the first machine, as dig does.
func (l *lan) dig(ns string, args ...string) string {
	l.t.Helper()
	if _, err := exec.LookPath("dig"); err != nil {
		missing(l.t, "dig is not installed: apt-get install bind9-dnsutils")
	}
	out, _ := exec.Command("ip", append([]string{"netns", "exec", ns, "dig", "+short", "+time=3", "+tries=10", "-p", "5353", "@192.168.77.1"}, args...)...).CombinedOutput()
	return strings.TrimSpace(string(out))
}

func TestTheHubIsFoundByName(t *testing.T) {
	l := newLAN(t)
	hub, phone := l.machine(), l.machine()
	lines, stop := l.run(hub, "respond hub")
	if s := l.state(lines, "hub.local"); s.Problem != "" || len(s.Addrs) != 1 || s.Addrs[0].String() != "192.168.77.1" {
		t.Errorf("state %+v", s)
	}
	for args, want := range map[string]string{
		"hub.local A":                      "192.168.77.1",
		"HUB.local A":                      "192.168.77.1",
		"_services._dns-sd._udp.local PTR": "_http._tcp.local.\n_mqtt._tcp.local.",
	} {
		if got := l.dig(phone, strings.Fields(args)...); got != want {
			t.Errorf("dig %s: %q, want %q", args, got, want)
		}
	}
	if got := l.dig(phone, "_mqtt._tcp.local", "PTR"); !strings.Contains(got, "homehub") || !strings.Contains(got, "_mqtt._tcp.local.") {
		t.Errorf("dig for _mqtt._tcp: %q", got)
	}
	if got := l.lookup(phone, "hub.local"); got != "192.168.77.1" {
		t.Errorf("asking everybody for hub.local: %s", got)
	}
	if !l.silent(phone, "other.local") {
		t.Error("somebody answers to other.local")
	}
	seen, _ := l.run(phone, "browse _mqtt._tcp _shelly._tcp")
	select {
	case line := <-seen:
		var i Instance
		if err := json.Unmarshal([]byte(line), &i); err != nil || i.Type != "_mqtt._tcp" || i.Addr.String() != "192.168.77.1:1883" || i.Name != "homehub (hub)" {
			t.Errorf("seen %s (%v)", line, err)
		}
	case <-time.After(patience):
		t.Error("the broker is not found")
	}
	stop()
	if !l.silent(phone, "hub.local") {
		t.Error("it answers after its end")
	}
}

// Two hubs in a house: the second is hub-2 and says why. When both come up at
// once, one of them is.
func TestNameConflict(t *testing.T) {
	l := newLAN(t)
	a, b, c := l.machine(), l.machine(), l.machine()
	first, _ := l.run(a, "respond hub")
	l.state(first, "hub.local")
	second, _ := l.run(b, "respond hub")
	if s := l.state(second, "hub-2.local"); s.Problem != "another machine in the house is called hub.local: this hub is hub-2.local" {
		t.Errorf("state %+v", s)
	}
	for name, want := range map[string]string{"hub.local": "192.168.77.1", "hub-2.local": "192.168.77.2"} {
		if got := l.lookup(c, name); got != want {
			t.Errorf("%s is at %q, want %q", name, got, want)
		}
	}
	x, y := l.machine(), l.machine()
	one, _ := l.run(x, "respond twin")
	two, _ := l.run(y, "respond twin")
	hosts := map[string]bool{}
	for limit := time.After(patience); len(hosts) < 2 || !hosts["twin.local"] || !hosts["twin-2.local"]; {
		var line string
		select {
		case line = <-one:
		case line = <-two:
		case <-limit:
			t.Fatalf("two that come up at once are %v", hosts)
		}
		var s State
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatal(err)
		}
		hosts[s.Host] = true
	}
	if got := l.lookup(c, "twin.local"); got != "192.168.77.4" && got != "192.168.77.5" {
		t.Errorf("twin.local is at %q, want one of the two", got)
	}
}

func TestRecords(t *testing.T) {
	n := names{host: "hub", services: []Service{{Type: "_http._tcp", Port: 80, Text: map[string]string{"path": "/", "a": "b"}}}}
	addrs := []netip.Addr{netip.MustParseAddr("192.168.1.20"), netip.MustParseAddr("fd00::1")}
	ask := func(name string, kind dnsmessage.Type) (fit, extra []record) {
		return n.answers(dnsmessage.Question{Name: mustName(name), Type: kind}, addrs)
	}
	for _, tt := range []struct {
		name       string
		kind       dnsmessage.Type
		fit, extra int
	}{
		{"hub.local.", dnsmessage.TypeA, 1, 0},
		{"Hub.Local.", dnsmessage.TypeAAAA, 1, 0},
		{"hub.local.", dnsmessage.TypeALL, 2, 0},
		{"_http._tcp.local.", dnsmessage.TypePTR, 1, 4},
		{"homehub (hub)._http._tcp.local.", dnsmessage.TypeSRV, 1, 2},
		{"homehub (hub)._http._tcp.local.", dnsmessage.TypeTXT, 1, 0},
		{metaDomain, dnsmessage.TypePTR, 1, 0},
		{"other.local.", dnsmessage.TypeA, 0, 0},
	} {
		if fit, extra := ask(tt.name, tt.kind); len(fit) != tt.fit || len(extra) != tt.extra {
			t.Errorf("%s %s: %d answers and %d more, want %d and %d", tt.name, tt.kind, len(fit), len(extra), tt.fit, tt.extra)
		}
	}
	// Without an IPv6 address the answer says so, and nobody waits for one.
	addrs = addrs[:1]
	fit, _ := ask("hub.local.", dnsmessage.TypeAAAA)
	if len(fit) != 1 || fit[0].kind() != typeNSEC {
		t.Fatalf("%+v", fit)
	}
	if data := fit[0].body.(*dnsmessage.UnknownResource).Data; string(data) != "\x03hub\x05local\x00\x00\x04\x40\x00\x00\x00" {
		t.Errorf("NSEC holds %q", data)
	}
	// What the asker has already is not sent again.
	fit, _ = ask("hub.local.", dnsmessage.TypeA)
	have := resources(fit, false)
	if !known(fit[0], have) {
		t.Error("a known answer is sent again")
	}
	have[0].Header.TTL = hostTTL/2 - 1
	if known(fit[0], have) {
		t.Error("an answer that is about to be forgotten is not sent")
	}
}

// Of two machines that ask for a name at once, the later address goes first.
func TestTieBreak(t *testing.T) {
	addr := netip.MustParseAddr
	for _, tt := range []struct {
		theirs, ours []netip.Addr
		want         bool
	}{
		{[]netip.Addr{addr("192.168.1.9")}, []netip.Addr{addr("192.168.1.10")}, false},
		{[]netip.Addr{addr("192.168.1.10")}, []netip.Addr{addr("192.168.1.9")}, true},
		{[]netip.Addr{addr("192.168.1.9")}, []netip.Addr{addr("192.168.1.9")}, false},
		{[]netip.Addr{addr("192.168.1.9"), addr("fd00::1")}, []netip.Addr{addr("192.168.1.9")}, true},
	} {
		if got := later(tt.theirs, tt.ours); got != tt.want {
			t.Errorf("%v against %v: %v", tt.theirs, tt.ours, got)
		}
	}
}

// Whatever the network says, nothing breaks and nothing grows without end.
func FuzzHear(f *testing.F) {
	n := names{host: "hub", services: []Service{{Type: "_mqtt._tcp", Port: 1883}}}
	good, err := message(0, nil, false, n.all([]netip.Addr{netip.MustParseAddr("10.0.0.1")}), nil)
	if err != nil {
		f.Fatal(err)
	}
	probe, _ := n.probe([]netip.Addr{netip.MustParseAddr("10.0.0.2")})
	f.Add(good)
	f.Add(probe)
	b := &browser{types: []string{"_mqtt._tcp"}, found: func(Instance) {}, hosts: map[string]netip.Addr{}, list: map[string]*sighting{}}
	r := &responder{names: n, links: []link{{addrs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}}}}
	f.Fuzz(func(t *testing.T, data []byte) {
		b.hear(data)
		r.judge(packet{data: data, from: netip.MustParseAddrPort("10.0.0.9:5353")})
		if len(b.list) > maxInstances || len(b.hosts) > maxHosts {
			t.Errorf("%d instances, %d hosts", len(b.list), len(b.hosts))
		}
	})
}
