package szse

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"evenkeel/core/trade"
)

var update = flag.Bool("update", false, "rewrite testdata")

// everyMessage returns one empty message of each kind.
func everyMessage(t testing.TB) []Message {
	var d Decoder
	var all []Message
	for _, l := range layouts {
		m := d.message(l.kind)
		if m == nil {
			t.Fatalf("the decoder knows no %s", l.name)
		}
		if m.Type() != l.kind {
			t.Fatalf("%s says that it is %s", l.name, m.Type())
		}
		all = append(all, m)
	}
	return all
}

// fill sets every field to a value of its own, within what decoders accept.
func fill(v reflect.Value, next *int) {
	switch v.Kind() {
	case reflect.Pointer:
		fill(v.Elem(), next)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), next)
		}
	case reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			*next++
			text := fmt.Sprintf("%d", *next)
			for i := range min(v.Len(), len(text)) {
				v.Index(i).SetUint(uint64(text[i]))
			}
			for i := len(text); i < v.Len(); i++ {
				v.Index(i).SetUint(' ')
			}
			return
		}
		for i := range v.Len() {
			fill(v.Index(i), next)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 3, 3))
		for i := range v.Len() {
			fill(v.Index(i), next)
		}
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8:
		*next++
		if v.Type() == reflect.TypeFor[byte]() && v.CanAddr() {
			v.SetUint(2 + uint64(*next)%2) // a count of levels and a character alike need a small value: see below
			return
		}
		v.SetUint(1 + uint64(*next)%2)
	case reflect.Int32, reflect.Int64:
		*next++
		v.SetInt(int64(*next)*1_000_001 - 7)
	default:
		*next++
		v.SetUint(uint64(*next) * 3)
	}
}

// filled returns the message with every field set; single characters are letters.
func filled(m Message) Message {
	next := 100
	v := reflect.ValueOf(m)
	v.Elem().SetZero()
	fill(v, &next)
	for _, name := range []string{"Side", "OrdType", "OrdStatus", "ExecType", "TimeInForce", "CashMargin"} {
		if f := v.Elem().FieldByName(name); f.IsValid() && f.Type() == reflect.TypeFor[byte]() {
			next++
			f.SetUint(uint64('A' + next%26))
		}
	}
	switch m := m.(type) {
	case *Subscribe:
		m.Want = WantAll
	case *Quote: // levels beyond the counts are not sent
		clear(m.Bids[m.BidCount:])
		clear(m.Asks[m.AskCount:])
	}
	return m
}

func TestLayoutSizes(t *testing.T) {
	for i, m := range everyMessage(t) {
		if got := len(m.Append(nil)) - HeadSize - TailSize; got != layouts[i].size {
			t.Errorf("%s: an empty one has a body of %d bytes, the layout says %d", m.Type(), got, layouts[i].size)
		}
	}
	if got := (&ReportSynchronization{Points: make([]SyncPoint, MaxPartitions)}).Append(nil); len(got) > MaxFrame {
		t.Errorf("the longest message has %d bytes, a frame at most %d", len(got), MaxFrame)
	}
}

// TestGolden pins the bytes of every message, with every field set to a value of its own.
func TestGolden(t *testing.T) {
	var text strings.Builder
	for _, m := range everyMessage(t) {
		frame := filled(m).Append(nil)
		fmt.Fprintf(&text, "%s\n", m.Type())
		for at := 0; at < len(frame); at += 32 {
			fmt.Fprintf(&text, "\t%s\n", hex.EncodeToString(frame[at:min(at+32, len(frame))]))
		}
		text.WriteByte('\n')
	}
	const name = "testdata/frames.txt"
	if *update {
		if err := os.WriteFile(name, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if text.String() != string(want) {
		t.Errorf("the bytes on the wire have changed; if that is meant, run with -update\n%s", text.String())
	}
}

func TestRoundTrip(t *testing.T) {
	var d Decoder
	for _, m := range everyMessage(t) {
		frame := filled(m).Append([]byte("before"))[len("before"):]
		f, size, err := ParseFrame(frame)
		if err != nil || size != len(frame) || f.Type != m.Type() {
			t.Fatalf("%s: frame %v of %d bytes, %v", m.Type(), f.Type, size, err)
		}
		got, err := d.Decode(f)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, m) {
			t.Errorf("%s:\n got %+v\nwant %+v", m.Type(), got, m)
		}
		if again := got.Append(nil); !bytes.Equal(again, frame) {
			t.Errorf("%s: encodes again to other bytes", m.Type())
		}
		if again := AppendFrame(nil, f); !bytes.Equal(again, frame) {
			t.Errorf("%s: the frame is written again as other bytes", m.Type())
		}
	}
}

// TestNewOrderBytes checks a whole order against bytes laid out by hand from the public layout.
func TestNewOrderBytes(t *testing.T) {
	var m NewOrder
	copy(m.ApplID[:], ApplAuction)
	copy(m.SubmittingPBUID[:], "000701")
	copy(m.SecurityID[:], "000001")
	copy(m.SecurityIDSource[:], SourceSZSE)
	m.OwnerType = OwnerInvestor
	m.TransactTime = 20260707_093000_123
	copy(m.ClOrdID[:], "0000000042")
	copy(m.AccountID[:], "0100000001")
	m.Side, m.OrdType, m.OrderQty, m.Price = SideBuy, OrdTypeLimit, 100_00, 11_4000
	m.TimeInForce, m.CashMargin = TimeInForceDay, CashMarginCash
	body := "010" + "000701" + "000001  " + "102 " + "\x00\x01" + "  " + "\x00\x47\xfa\xc5\xf9\x56\x92\xfb" + "        " +
		"0000000042" + "0100000001  " + "    " + "    " + "1" + "2" + "\x00\x00\x00\x00\x00\x00\x27\x10" +
		"\x00\x00\x00\x00\x00\x01\xbd\x50" + strings.Repeat("\x00", 18) + "0" + "1"
	stamp := binary.BigEndian.AppendUint64(nil, 20260707_093000_123)
	body = strings.Replace(body, "\x00\x47\xfa\xc5\xf9\x56\x92\xfb", string(stamp), 1)
	want := "\x00\x01\x87\x05" + "\x00\x00\x00\x6d" + body
	var sum byte
	for i := range len(want) {
		sum += want[i]
	}
	want += "\x00\x00\x00" + string([]byte{sum})
	if got := string(m.Append(nil)); got != want {
		t.Errorf("got  %x\nwant %x", got, want)
	}
}

func TestFrameErrors(t *testing.T) {
	good := (&Heartbeat{}).Append(nil)
	if got := hex.EncodeToString(good); got != "000000030000000000000003" {
		t.Fatalf("a heartbeat is %s", got)
	}
	for n := range len(good) {
		if _, size, err := ParseFrame(good[:n]); size != 0 || err != nil {
			t.Errorf("%d bytes of a frame: size %d, %v", n, size, err)
		}
	}
	bad := bytes.Clone(good)
	bad[len(bad)-1]++
	_, _, err := ParseFrame(bad)
	var checksum ChecksumError
	if !errors.As(err, &checksum) || checksum.Want != 3 || checksum.Got != 4 {
		t.Errorf("wrong checksum: %v", err)
	}
	long := []byte{0, 0, 0, 1, 0, 0, 0x40, 1}
	var tooLong TooLongError
	if _, _, err := ParseFrame(long); !errors.As(err, &tooLong) || tooLong.Length != MaxBody+1 {
		t.Errorf("a body of %d: %v", MaxBody+1, err)
	}
	var d Decoder
	var unknown UnknownTypeError
	if _, err := d.Decode(Frame{Type: 77}); !errors.As(err, &unknown) || unknown.Type != 77 {
		t.Errorf("an unknown type: %v", err)
	}
	if err.Error() == "" || unknown.Error() != "unknown message: MsgType 77" {
		t.Errorf("%q", unknown.Error())
	}
}

// TestDecodeRefuses gives every decoder bodies that are too short and too long, and bad fields.
func TestDecodeRefuses(t *testing.T) {
	for _, m := range everyMessage(t) {
		body := filled(m).Append(nil)[HeadSize:]
		body = body[:len(body)-TailSize]
		var length LengthError
		for n := range len(body) {
			if err := m.Decode(body[:n]); !errors.As(err, &length) {
				t.Errorf("%s cut to %d of %d bytes: %v", m.Type(), n, len(body), err)
			}
		}
		if err := m.Decode(append(bytes.Clone(body), 0)); !errors.As(err, &length) {
			t.Errorf("%s with a byte too many: %v", m.Type(), err)
		}
	}
	for _, c := range []struct {
		m    Message
		at   int // of the body
		with string
		want string
	}{
		{&NewOrder{}, 0, "\x00", `NewOrder.ApplID is "\x00  ": text must be printable ASCII, padded with spaces`},
		{&NewOrder{}, 0, " 1", `NewOrder.ApplID is " 1 ": text must be left-aligned`},
		{&NewOrder{}, 71, "\xff", `NewOrder.Side is "\xff": must be a printable ASCII character`},
		{&Logon{}, 44, "\x01", `Logon.Password is (hidden): text must be printable ASCII, padded with spaces`},
		{&PlatformInfo{}, 2, "\x00\x00\x04\x01", `PlatformInfo.count is 1025: at most 1024 entries are allowed`},
		{&PlatformInfo{}, 2, "\x00\x00\x00\x01", `PlatformInfo: body of 6 bytes, its layout has 10`},
		{&Quote{}, 0, "\x09", `Quote.Venue is 9: must be from 1 to 3`},
		{&Quote{}, 131, "\x0b", `Quote.BidCount is 11: must be from 0 to 10`},
		{&Quote{}, 132, "\x01", `Quote: body of 133 bytes, its layout has 153`},
		{&SecurityDefinition{}, 95, "\x02", `SecurityDefinition.TPlusZero is 2: must be from 0 to 1`},
		{&SecurityDefinition{}, 11, "\xe5\xb9", `SecurityDefinition.Name is "\xe5\xb9`},
		{&SecurityDefinition{}, 11, "a\x7f", `SecurityDefinition.Name is "a\x7f`},
		{&Subscribe{}, 0, "\x01", `Subscribe.Want is 16777216: only the bits of WantAll are known`},
	} {
		body := c.m.Append(nil)[HeadSize:]
		body = body[:len(body)-TailSize]
		switch body := body; c.m.(type) { // an empty one of these has a venue that is refused
		case *Quote:
			body[0] = 1
		case *SecurityDefinition:
			body[0], body[9] = 1, 1
		}
		copy(body[c.at:], c.with)
		if err := c.m.Decode(body); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

func TestUnsetTextIsBlank(t *testing.T) {
	var m Logout
	body := m.Append(nil)[HeadSize:]
	if err := m.Decode(body[:len(body)-TailSize]); err != nil {
		t.Fatal(err)
	}
	if Text(m.Text[:]) != "" || m.Text[199] != ' ' {
		t.Errorf("text is %q", m.Text)
	}
}

func TestPasswordIsNeverShown(t *testing.T) {
	var m Logon
	copy(m.SenderCompID[:], "BROKER")
	copy(m.Password[:], "hunter2")
	for _, text := range []string{fmt.Sprint(m), fmt.Sprint(&m), fmt.Sprintf("%+v", m), fmt.Sprintf("%#v", &m),
		m.String()} {
		if strings.Contains(text, "hunter2") || !strings.Contains(text, "BROKER") {
			t.Errorf("shown as %s", text)
		}
	}
}

// TestNames checks a Chinese name, which is UTF-8 and not ASCII.
func TestNames(t *testing.T) {
	m := SecurityDefinition{Security: Security{Venue: trade.SSE}, Board: trade.Main}
	copy(m.Name[:], "贵州茅台")
	f, _, err := ParseFrame(m.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Decode(f.Body); err != nil || Text(m.Name[:]) != "贵州茅台" {
		t.Errorf("name %q, %v", m.Name, err)
	}
}
