package feed

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"depeer/watch/cnc"
)

// refang undoes what keeps a pasted indicator from being clicked: hxxp, [.], (dot), [:], [://], {.}.
func refang(s string) string {
	if strings.ContainsAny(s, "[({") {
		s = fangs.Replace(s)
	}
	if len(s) > 4 && (s[0] == 'h' || s[0] == 'H') {
		for _, p := range []string{"hxxp", "hXXp", "hxxP", "HXXP", "h**p", "htxp", "hxtp", "meow"} {
			if len(s) > len(p) && strings.EqualFold(s[:len(p)], p) {
				rest := s[len(p):]
				if strings.HasPrefix(rest, ":") || strings.HasPrefix(strings.ToLower(rest), "s:") {
					s = "http" + rest
				}
				break
			}
		}
	}
	return s
}

var fangs = strings.NewReplacer("[.]", ".", "(.)", ".", "{.}", ".", "[dot]", ".", "(dot)", ".", "{dot}", ".", "[DOT]", ".", "(DOT)", ".", " [dot] ", ".", "[.", ".", "[:]", ":", "(:)", ":",
	"[://]", "://", "[:", ":", "[/]", "/")

// hostIn reads an indicator: an address, address:port, a name, name:port, a URL, or a
// name with a path. False where it is none of them.
func hostIn(text string) (s cnc.Sighting, ok bool) {
	text = strings.Trim(strings.TrimSpace(text), "\"'<>,;")
	if text == "" || len(text) > 4096 {
		return s, false
	}
	if a, err := netip.ParseAddr(text); err == nil {
		s.Addr = a
		return s, true
	}
	if strings.ContainsAny(text, "[({") || strings.HasPrefix(strings.ToLower(text), "hxx") {
		if a, err := netip.ParseAddrPort(text); err == nil { // [2001:db8::1]:443
			s.Addr, s.Port = a.Addr(), a.Port()
			return s, true
		}
		text = refang(text)
		if a, err := netip.ParseAddr(text); err == nil {
			s.Addr = a
			return s, true
		}
	}
	if strings.Contains(text, "://") {
		if hostOf(text) == "" {
			return s, false
		}
		s.URL = text
		return s, true
	}
	if strings.ContainsAny(text, " \t@\\|") {
		return s, false
	}
	host, path, slash := strings.Cut(text, "/")
	if slash && path != "" {
		if _, err := netip.ParsePrefix(text); err == nil {
			return s, false
		}
		if x, ok := hostIn(host); ok && x.URL == "" {
			x.URL = "http://" + text
			return x, true
		}
		return s, false
	}
	if name, port, ok := strings.Cut(host, ":"); ok {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return s, false
		}
		host, s.Port = name, uint16(n)
	}
	if a, err := netip.ParseAddr(host); err == nil {
		s.Addr = a
		return s, true
	}
	if !looksLikeName(host) {
		return cnc.Sighting{}, false
	}
	s.Name = host
	return s, true
}

// looksLikeName: letters, digits, dashes and at least one dot, with a last label that can be a top-level domain.
func looksLikeName(s string) bool {
	s = strings.TrimSuffix(s, ".")
	dot := strings.LastIndexByte(s, '.')
	if dot <= 0 || len(s) > 253 {
		return false
	}
	tld := strings.ToLower(s[dot+1:])
	if len(tld) < 2 {
		return false
	}
	for i := 0; i < len(tld); i++ {
		if c := tld[i]; (c < 'a' || c > 'z') && c < 0x80 && !strings.HasPrefix(tld, "xn--") {
			return false
		}
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c == '-' || c == '.' || c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80) {
			return false
		}
	}
	return !strings.Contains(s, "..") && s[0] != '-' && s[0] != '.'
}

// fileName reports whether a name in a note is that of a file rather than of a host.
func fileName(s string) bool {
	dot := strings.LastIndexByte(s, '.')
	return dot >= 0 && fileEnding[strings.ToLower(s[dot+1:])]
}

var fileEnding = set(`exe dll zip xls xlsx xlsm xlsb doc docx docm pdf js jse vbs vbe vba hta bat cmd msi iso img lnk one ps1 txt dat tmp bin jpg png gif ocx tlv wsf cab jar rar 
	html htm php css json xml csv rtf ico au3 ahk lua log conf cfg ini gz tar db wll xll msix appx chm scr cpl url eml vhd sys inf`)

func hostOf(address string) string {
	if address == "" {
		return ""
	}
	if u, err := url.Parse(address); err == nil {
		return u.Hostname()
	}
	_, rest, ok := strings.Cut(address, "://")
	if !ok {
		return ""
	}
	if end := strings.IndexAny(rest, "/?#\\ "); end >= 0 {
		rest = rest[:end]
	}
	if u, err := url.Parse("x://" + rest); err == nil {
		return u.Hostname()
	}
	return ""
}

func under(name string, list map[string]bool) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	for name != "" {
		if list[name] {
			return true
		}
		_, rest, ok := strings.Cut(name, ".")
		if !ok {
			return false
		}
		name = rest
	}
	return false
}

func set(words string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(words) {
		out[w] = true
	}
	return out
}

// dualHost reports whether a name is of a platform on which anybody has pages: an address behind it
// says nothing of who has them.
func dualHost(name string) bool { return under(name, platforms) }

var platforms = set(`workers.dev pages.dev r2.dev trycloudflare.com glitch.me herokuapp.com netlify.app vercel.app web.app firebaseapp.com firebasestorage.googleapis.com storage.googleapis.com
	drive.google.com docs.google.com sites.google.com blogspot.com onedrive.live.com 1drv.ms sharepoint.com github.com github.io githubusercontent.com gitlab.com gitlab.io bitbucket.org
	discordapp.com discord.com cdn.discordapp.com dropbox.com dropboxusercontent.com mediafire.com mega.nz transfer.sh pastebin.com paste.ee telegram.org t.me api.telegram.org
	amazonaws.com cloudfront.net azureedge.net azurewebsites.net blob.core.windows.net windows.net azurefd.net fastly.net akamaized.net ngrok.io ngrok-free.app duckdns.org wixsite.com weebly.com
	wordpress.com steamcommunity.com notion.site canva.site godaddysites.com surge.sh repl.co replit.app`)

// ordinary reports whether a name is of a site that articles and analyses refer to.
func ordinary(name string) bool { return under(name, references) }

var references = set(`tria.ge any.run virustotal.com abuse.ch twitter.com x.com hybrid-analysis.com joesandbox.com malware-traffic-analysis.net unpac.me intezer.com vmray.com
	isc.sans.edu wikipedia.org microsoft.com google.com bing.com yahoo.com msn.com windowsupdate.com apple.com adobe.com malpedia.caad.fkie.fraunhofer.de thedfirreport.com
	bleepingcomputer.com urlscan.io shodan.io censys.io otx.alienvault.com cyberchef.io gchq.github.io infosec.exchange mastodon.social`)
