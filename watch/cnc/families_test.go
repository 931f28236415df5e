package cnc

import (
	"strings"
	"testing"
)

func TestOneNameForEachFamily(t *testing.T) {
	f := DefaultFamilies()
	for label, want := range map[string]string{
		"Rustock": "Rustock", "costrat": "Rustock", "Win32.Rustock": "Rustock",
		"Mega-D": "Mega-D", "Ozdok": "Mega-D", "Mega-D/Ozdok": "Mega-D", "megad": "Mega-D", "MEGA D botnet": "Mega-D",
		"Pandex": "Cutwail", "Pushdo": "Cutwail", "Cutwail/Pandex/Pushdo": "Cutwail",
		"Qbot": "QakBot", "win.qakbot": "QakBot", "QAKBOT (obama235)": "QakBot", "Pinkslipbot": "QakBot", "QakBot": "QakBot",
		"BokBot": "IcedID", "ICEDID (Bokbot)": "IcedID", "win.icedid": "IcedID",
		"Heodo": "Emotet", "Geodo": "Emotet", "EMOTET (E4)": "Emotet",
		"win.cobalt_strike": "Cobalt Strike", "Cobalt Strike C2": "Cobalt Strike", "cobaltstrike": "Cobalt Strike", "CobaltStrike beacon": "cobaltstrike beacon",
		"DcRAT": "DCRat", "DcRat": "DCRat", "Sectop RAT": "SectopRAT", "SectopRAT": "SectopRAT", "Gh0st RAT Trojan": "Gh0st RAT", "NanoCore RAT Trojan": "NanoCore",
		"Sliver C2": "Sliver", "Viper C2": "Viper", "Viper RAT": "Viper RAT", "Lumma Stealer": "Lumma", "Browser Exploitation Framework (BeEF)": "BeEF",
		"shiotob/urlzone/bebloh": "URLZone", "7777 Botnet": "Quad7", "TA577 / PIKABOT": "PikaBot",
		"Unknown malware": UnknownFamily, "": UnknownFamily, "  ": UnknownFamily,
		"Doxerina Botnet": "doxerina", "doxerina": "doxerina", "BlackNET Botnet": "BlackNET", "BlackNet Botnet": "BlackNET",
		"Zeus/Emotet": "zeus emotet", // two of them: neither
	} {
		if got := f.Canonical(label); got != want {
			t.Errorf("%q is %q, want %q", label, got, want)
		}
	}
	for _, x := range f.All() {
		for _, label := range append(x.Aliases, x.Name, strings.ToUpper(x.Name), "win."+strings.ToLower(x.Name)) {
			if got := f.Canonical(label); got != x.Name {
				t.Errorf("%q of %s is %q", label, x.Name, got)
			}
		}
	}
}

func TestFamilyInWords(t *testing.T) {
	f := DefaultFamilies()
	for text, want := range map[string]string{
		"Qakbot_obama175_12.04.2022.txt": "QakBot", "e4_emotet_01.03.2022.txt": "Emotet", "2023-11-02 TA577_PikaBot IOCs": "PikaBot",
		"Likely IcedID IOCs": "IcedID", "2022-01-19 Bazarloader (roilbask) IOCs": "BazarLoader", "cobaltstrike_leak_crack_ids": "Cobalt Strike",
		"Glupteba.AY research related IoCs": "Glupteba", "Who killed Mozi? Finally": "Mozi", "holiday photos": "",
	} {
		if got, ok := f.In(text); got != want || ok != (want != "") {
			t.Errorf("%q: %q %t, want %q", text, got, ok, want)
		}
	}
}

func TestConfiguredFamilies(t *testing.T) {
	f, err := NewFamilies([]Family{{Name: "rustock", Aliases: []string{"Rusty"}, Kind: Spam}, {Name: "House Bot", Aliases: []string{"HB-1"}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Canonical("rusty"); got != "Rustock" {
		t.Error(got)
	}
	if got := f.Canonical("hb1"); got != "House Bot" {
		t.Error(got)
	}
	if x, _ := f.Of("costrat"); x.Kind != Spam {
		t.Errorf("%+v", x)
	}
	_, err = NewFamilies([]Family{{Name: "-"}, {Name: "Qbot"}, {Name: "Fresh", Aliases: []string{"Heodo", "."}}})
	const want = `families[0].name: "-" has no letter and no digit
families[1].name: "Qbot" is an alias of QakBot
families[2].aliases[0]: "Heodo" is Emotet already
families[2].aliases[1]: "." has no letter and no digit`
	if err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{"Mega-D/Ozdok", "win.x", "(", "A (B", "7777 Botnet", "\x80"} {
		f.Add(s)
	}
	table := DefaultFamilies()
	f.Fuzz(func(t *testing.T, label string) {
		once := table.Canonical(label)
		if again := table.Canonical(once); again != once || once == "" {
			t.Fatalf("%q, %q, %q", label, once, again)
		}
		table.In(label)
	})
}
