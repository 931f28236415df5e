package feed

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"depeer/watch/cnc"
)

// maxValue bounds one entry; the whole is bounded too.
const maxValue = 8 << 20

// stream decodes JSON without holding more than one entry.
type stream struct {
	dec *json.Decoder
	src *rationed
}

// rationed gives out so many bytes until it is filled again: one value cannot take more.
type rationed struct {
	r           io.Reader
	left, limit int
}

func (b *rationed) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, doubt("has an entry of more than %d bytes", b.limit)
	}
	n, err := b.r.Read(p[:min(b.left, len(p))])
	b.left -= n
	return n, err
}

func newStream(r io.Reader) *stream {
	src := &rationed{r: r, left: maxValue, limit: maxValue}
	dec := json.NewDecoder(src)
	dec.UseNumber()
	return &stream{dec: dec, src: src}
}

func (s *stream) token() (json.Token, error) {
	s.src.left = s.src.limit
	t, err := s.dec.Token()
	return t, cut(err)
}

func (s *stream) value(into any) error {
	s.src.left = s.src.limit
	return cut(s.dec.Decode(into))
}

func cut(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return doubt("is cut off")
	}
	return err
}

// values walks the top of a JSON text: of an array each element, of an object each element of the arrays
// in it, and the object itself without them.
func (s *stream) values(each func(json.RawMessage) error, whole func(map[string]json.RawMessage) error) error {
	for any := false; ; any = true {
		t, err := s.token()
		if err == io.EOF {
			if !any {
				return doubt("holds no JSON")
			}
			return nil
		}
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('['):
			_, err = s.array(each)
		case json.Delim('{'):
			err = s.object(each, whole)
		default:
			return doubt("begins with %v, not with an object or an array", t)
		}
		if err != nil {
			return err
		}
	}
}

// array walks the elements; it gives back those that are no objects: tags.
func (s *stream) array(each func(json.RawMessage) error) (plain []json.RawMessage, err error) {
	for s.more() {
		var raw json.RawMessage
		if err := s.value(&raw); err != nil {
			return nil, end(err)
		}
		if len(raw) > 0 && raw[0] == '{' {
			err = each(raw)
		} else if len(plain) < 1000 {
			plain = append(plain, raw)
		}
		if err != nil {
			return nil, err
		}
	}
	_, err = s.token()
	return plain, end(err)
}

func (s *stream) more() bool {
	s.src.left = s.src.limit
	return s.dec.More()
}

// end: a text that ends within a container is cut.
func end(err error) error {
	if err == io.EOF {
		return doubt("is cut off")
	}
	return err
}

func (s *stream) object(each func(json.RawMessage) error, whole func(map[string]json.RawMessage) error) error {
	own := map[string]json.RawMessage{}
	for s.more() {
		t, err := s.token()
		if err != nil {
			return end(err)
		}
		key, _ := t.(string)
		if t, err = s.token(); err != nil {
			return end(err)
		}
		var value any
		if t == json.Delim('[') {
			plain, err := s.array(each)
			if err != nil {
				return err
			}
			if plain == nil {
				continue
			}
			value = plain
		} else if value, err = s.build(t, 0); err != nil {
			return end(err)
		}
		if raw, err := json.Marshal(value); err == nil && len(own) < 1000 {
			own[key] = raw
		}
	}
	if _, err := s.token(); err != nil {
		return end(err)
	}
	return whole(own)
}

// build makes the value that begins with a token.
func (s *stream) build(t json.Token, depth int) (any, error) {
	d, ok := t.(json.Delim)
	if !ok {
		return t, nil
	}
	if depth > 64 {
		return nil, doubt("is nested more than 64 deep")
	}
	object := map[string]any{}
	var list []any
	for s.dec.More() { // within the ration of one value
		t, err := s.dec.Token()
		if err != nil {
			return nil, err
		}
		key, _ := t.(string)
		if d == '{' {
			if t, err = s.dec.Token(); err != nil {
				return nil, err
			}
		}
		v, err := s.build(t, depth+1)
		if err != nil {
			return nil, err
		}
		if d == '{' {
			object[key] = v
		} else {
			list = append(list, v)
		}
	}
	if _, err := s.dec.Token(); err != nil {
		return nil, err
	}
	if d == '{' {
		return object, nil
	}
	return list, nil
}

// objects gives every entry to take: elements of arrays, or lines, each one an object.
func (in *intake) objects(r io.Reader, answer func(map[string]json.RawMessage) error, take func(json.RawMessage)) error {
	b := bufio.NewReaderSize(r, 64<<10)
	if oneALine(b) {
		return in.jsonLines(b, take)
	}
	each := func(raw json.RawMessage) error {
		if err := in.entry(); err != nil {
			return err
		}
		take(raw)
		return nil
	}
	found := false
	err := newStream(b).values(func(raw json.RawMessage) error {
		found = true
		return each(raw)
	}, func(own map[string]json.RawMessage) error {
		if answer != nil {
			if err := answer(own); err != nil {
				return err
			}
		}
		if raw, ok := own["updated"]; ok {
			if t, _, ok := when(string(raw)); ok {
				in.Dated = t
			}
		}
		if found || len(own) == 0 {
			return nil
		}
		raw, err := json.Marshal(own)
		if err != nil {
			return err
		}
		return each(raw)
	})
	return err
}

// oneALine: the first line is a whole JSON object, and there are more.
func oneALine(b *bufio.Reader) bool {
	head, _ := b.Peek(b.Size())
	line, rest, ok := bytes.Cut(bytes.TrimLeft(head, " \t\r\n"), []byte("\n"))
	rest = bytes.TrimLeft(rest, " \t\r\n")
	return ok && len(rest) > 0 && len(line) > 0 && line[0] == '{' && json.Valid(line)
}

// jsonLines reads one object a line. A line that is none costs nobody else.
func (in *intake) jsonLines(b *bufio.Reader, take func(json.RawMessage)) error {
	for {
		line, err := readLine(b)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		raw := bytes.TrimSpace([]byte(line))
		if len(raw) == 0 {
			continue
		}
		if err := in.entry(); err != nil {
			return err
		}
		if raw[0] != '{' || !json.Valid(raw) {
			in.drop(cnc.Malformed, "%.60q is no JSON object", line)
			continue
		}
		take(raw)
	}
}
