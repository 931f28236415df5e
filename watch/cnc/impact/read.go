package impact

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxPoints is how many measurements a series may have.
const MaxPoints = 2_000_000

// Read reads a series: CSV of a time and a value (a first line that is neither is a header), or the
// answer of a Prometheus range query (a matrix of one series; HTTP API, "Range queries"). Times are RFC 3339,
// "2008-11-11", "2008-11-11 20:00[:00]", or seconds since 1970. It comes in order of time; an error names the line.
func Read(text []byte) ([]Point, error) {
	var list []Point
	var err error
	if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && trimmed[0] == '{' {
		list, err = readPrometheus(trimmed)
	} else {
		list, err = readCSV(text)
	}
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("no measurement")
	}
	slices.SortStableFunc(list, func(a, b Point) int { return a.At.Compare(b.At) })
	return list, nil
}

func readCSV(text []byte) ([]Point, error) {
	r := csv.NewReader(bytes.NewReader(text))
	r.Comment, r.FieldsPerRecord, r.TrimLeadingSpace, r.ReuseRecord = '#', -1, true, true
	var list []Point
	for n := 0; ; n++ {
		row, err := r.Read()
		if err == io.EOF {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		line, _ := r.FieldPos(0)
		if len(row) < 2 {
			return nil, fmt.Errorf("line %d: a time and a value are needed", line)
		}
		at, timeErr := parseTime(row[0])
		value, err := strconv.ParseFloat(strings.TrimSpace(row[1]), 64)
		if n == 0 && timeErr != nil && err != nil {
			continue
		}
		if timeErr != nil {
			return nil, fmt.Errorf("line %d: %w", line, timeErr)
		}
		if err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
			return nil, fmt.Errorf("line %d: %q is no measurement", line, row[1])
		}
		if list = append(list, Point{at, value}); len(list) > MaxPoints {
			return nil, fmt.Errorf("more than %d measurements", MaxPoints)
		}
	}
}

func readPrometheus(text []byte) ([]Point, error) {
	var answer struct {
		Status string `json:"status"`
		Error  string `json:"error"`
		Data   struct {
			Type   string `json:"resultType"`
			Result []struct {
				Metric map[string]string    `json:"metric"`
				Values [][2]json.RawMessage `json:"values"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, fmt.Errorf("no answer of a range query: %w", err)
	}
	switch {
	case answer.Status != "success":
		return nil, fmt.Errorf("the query failed: %q", answer.Error)
	case answer.Data.Type != "matrix":
		return nil, fmt.Errorf("a %q is no range query's answer: a matrix is needed", answer.Data.Type)
	case len(answer.Data.Result) != 1:
		return nil, fmt.Errorf("%d series, not one: sum them up", len(answer.Data.Result))
	case len(answer.Data.Result[0].Values) > MaxPoints:
		return nil, fmt.Errorf("more than %d measurements", MaxPoints)
	}
	var list []Point
	for i, v := range answer.Data.Result[0].Values {
		var at float64
		var text string
		if json.Unmarshal(v[0], &at) != nil || json.Unmarshal(v[1], &text) != nil {
			return nil, fmt.Errorf("value %d is not [seconds, \"number\"]", i)
		}
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("value %d: %q is no number", i, text)
		}
		if math.IsNaN(value) || math.IsInf(value, 0) {
			continue // Prometheus writes a division by nothing so
		}
		t, err := fromSeconds(at)
		if err != nil {
			return nil, fmt.Errorf("value %d: %w", i, err)
		}
		list = append(list, Point{t, value})
	}
	return list, nil
}

func parseTime(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	for _, layout := range []string{time.RFC3339, time.DateOnly, time.DateTime, "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02T15:04"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	if x, err := strconv.ParseFloat(s, 64); err == nil {
		return fromSeconds(x)
	}
	return time.Time{}, fmt.Errorf("%q is no time", s)
}

func fromSeconds(x float64) (time.Time, error) {
	if !(x >= 0 && x < 1e11) {
		return time.Time{}, fmt.Errorf("%v is no time", x)
	}
	whole, part := math.Modf(x)
	return time.Unix(int64(whole), int64(part*1e9)).UTC(), nil
}
