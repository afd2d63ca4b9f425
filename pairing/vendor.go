package pairing

import (
	"bufio"
	"io"
	"net/netip"
	"os"
	"strings"
)

// neighbour is the MAC address of a host in the same network, "" if the kernel
// does not know it.
func neighbour(file string, addr netip.Addr) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	return parseNeighbours(f, addr)
}

// parseNeighbours reads the table of /proc/self/net/arp: a head line, then per line
// address, type, flags, MAC, mask, device.
func parseNeighbours(r io.Reader, addr netip.Addr) string {
	const incomplete = "00:00:00:00:00:00"
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) >= 4 && f[0] == addr.String() && f[3] != incomplete && len(f[3]) == len(incomplete) {
			return strings.ToLower(f[3])
		}
	}
	return ""
}

// espressif are beginnings of MAC addresses of Espressif, whose chips are in
// nearly all devices that can be paired here (IEEE register of MA-L).
const espressif = " 10:52:1c 18:fe:34 24:0a:c4 24:62:ab 24:6f:28 2c:3a:e8 2c:f4:32 30:ae:a4 3c:61:05 3c:71:bf 40:f5:20 48:3f:da" +
	" 4c:11:ae 50:02:91 54:5a:a6 5c:cf:7f 60:01:94 68:c6:3a 7c:9e:bd 80:7d:3a 84:0d:8e 84:cc:a8 84:f3:eb 8c:aa:b5 90:97:d5" +
	" 94:b9:7e 98:f4:ab a0:20:a6 a4:7b:9d a4:cf:12 ac:67:b2 ac:d0:74 b4:e6:2d bc:dd:c2 bc:ff:4d c4:4f:33 c8:2b:96 cc:50:e3" +
	" d8:a0:1d d8:bf:c0 d8:f1:5b dc:4f:22 e0:98:06 ec:fa:bc f0:08:d1 f4:cf:a2 fc:f5:c4 "

// vendorOf is who made the chip with a MAC address, "" if that is not known.
func vendorOf(mac string) string {
	if len(mac) >= 8 && strings.Contains(espressif, " "+mac[:8]+" ") {
		return "Espressif"
	}
	return ""
}
