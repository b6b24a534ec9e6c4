package peer

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"google.golang.org/protobuf/proto"
)

// FuzzFrames reads any bytes as a stream of frames: what is read is what is there, however it comes in.
func FuzzFrames(f *testing.F) {
	whole, _ := appendMessage(nil, 3, message(1, 2, 3, 100))
	f.Add(whole)
	f.Add(whole[:7])
	f.Add(appendMark(appendMark(nil, pongFrame, 8), pingFrame, 9))
	f.Add((&greeting{oldest: 1, newest: 2, lane: 1, from: 1, to: 2, cluster: "c", opaque: []byte("o")}).appendTo(nil))
	f.Add([]byte{0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, stream []byte) {
		at := 0
		in := newFrameReader(iotest.OneByteReader(bytes.NewReader(stream)))
		for {
			k, body, err := in.next(1 << 20)
			if err != nil {
				if at == len(stream) && !errors.Is(err, io.EOF) {
					t.Fatalf("the end of a stream: %v", err)
				}
				return
			}
			frame := begin(nil, k)
			frame = end(append(frame, body...), 0)
			if !bytes.HasPrefix(stream[at:], frame) {
				t.Fatalf("%x was read at %d of %x", frame, at, stream)
			}
			at += len(frame)
		}
	})
}

// FuzzFields reads any bytes as the fields of every frame: what is accepted is written again as it was.
func FuzzFields(f *testing.F) {
	seed := func(frame []byte) { f.Add(frame[frameHeader:]) }
	m := message(1, 2, 3, 100)
	whole, _ := appendMessage(nil, 3, m)
	encoded, _ := proto.Marshal(snapshotMessage(1, 2, 42))
	seed(whole)
	seed(appendCall(nil, 1, 2, []byte("body")))
	seed(appendAnswer(nil, 1, failed, []byte("why")))
	seed(appendSnapshot(nil, 1, 1<<40, encoded))
	seed((&greeting{oldest: 1, newest: 2, lane: 1, from: 1, to: 2, cluster: "c", opaque: []byte("o")}).appendTo(nil))
	seed((&welcome{version: 1, node: 2, opaque: []byte("o")}).appendTo(nil))
	seed(appendMark(nil, pingFrame, 9))
	f.Fuzz(func(t *testing.T, b []byte) {
		same := func(what string, frame []byte, err error) {
			if err != nil {
				if !errors.Is(err, errFrame) {
					t.Fatalf("%s: an error that is none of ours: %v", what, err)
				}
				return
			}
			if !bytes.Equal(frame[frameHeader:], b) {
				t.Fatalf("%s: %x came back as %x", what, b, frame[frameHeader:])
			}
		}
		id, callKind, body, err := readCall(b)
		same("call", appendCall(nil, id, callKind, body), err)
		id, o, body, err := readAnswer(b)
		same("answer", appendAnswer(nil, id, o, body), err)
		mark, err := readMark(b)
		same("mark", appendMark(nil, pingFrame, mark), err)
		g, err := readGreeting(b)
		same("greeting", g.appendTo(nil), err)
		w, err := readWelcome(b)
		same("welcome", w.appendTo(nil), err)
		// Protobuf has many encodings of one message: what is read is compared.
		if group, m, err := readMessage(b); err == nil {
			again, err := appendMessage(nil, group, m)
			if err != nil {
				t.Fatal(err)
			}
			if _, back, err := readMessage(again[frameHeader:]); err != nil || !proto.Equal(m, back) {
				t.Fatalf("%v came back as %v, %v", m, back, err)
			}
		}
		if _, size, m, err := readSnapshot(b); err == nil && (size < 0 || m == nil) {
			t.Fatalf("a snapshot of %d bytes, %v", size, m)
		}
	})
}

// TestTexts cuts what would be too long to say.
func TestTexts(t *testing.T) {
	if b := appendText(nil, refusalFrame, string(make([]byte, 2*maxText))); len(b) != frameHeader+maxText {
		t.Errorf("a text of %d bytes", len(b))
	}
	for l, want := range map[lane]string{messages: "messages", calls: "calls", bulk: "bulk", 9: "lane 9"} {
		if l.String() != want {
			t.Errorf("%d is called %v", uint8(l), l)
		}
	}
}
