package outer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/crescendo-network/crescendo"
	"github.com/crescendo-network/crescendo/engine"
	"github.com/crescendo-network/crescendo/engine/r0"
)

// ErrMalformed means that bytes are not the blob they should be: another kind,
// version or shape, a wrong size, or a number that is not finite.
var ErrMalformed = errors.New("malformed training blob")

// A Vector is as long as the model: parameters, or the aggregator's error.
type Vector struct {
	Rung   crescendo.RungID
	Round  crescendo.Round // the round that made it; zero before the first
	Values []float32
}

// State is what a trainer carries from one round to the next. A nil State is a
// fresh one.
type State struct {
	Rung      crescendo.RungID
	Round     crescendo.Round // the round it is the end of
	End       []float32       // parameters after the last step
	Optimizer []float32       // as engine.Model.OptimizerState lays it out
	Feedback  []float32       // what payloads have not said yet
}

// The header: magic, version, rung, round, four zero bytes, parameters, length
// of the optimizer state, shape digest. Little-endian; float32 arrays follow.
const (
	checkpointMagic = "CRSCKPT\x00"
	errorMagic      = "CRSERRF\x00"
	stateMagic      = "CRSSTAT\x00"
	blobVersion     = 1
	headerSize      = 72
)

// VectorSize is the size of a checkpoint or error blob.
func VectorSize(s engine.Shape) int64 { return headerSize + 4*int64(s.Parameters()) }

// StateSize is the size of a state blob.
func StateSize(s engine.Shape, optimizer int) int64 {
	return headerSize + 8*int64(s.Parameters()) + 4*int64(optimizer)
}

// EncodeCheckpoint writes a checkpoint blob.
func EncodeCheckpoint(s engine.Shape, v Vector) ([]byte, error) {
	return encode(checkpointMagic, "checkpoint", s, v.Rung, v.Round, v.Values, nil)
}

// DecodeCheckpoint reads a checkpoint blob of a model of this shape.
func DecodeCheckpoint(s engine.Shape, data []byte) (Vector, error) {
	return decodeVector(checkpointMagic, "checkpoint", s, data)
}

// EncodeError writes the blob of the aggregator's error.
func EncodeError(s engine.Shape, v Vector) ([]byte, error) {
	return encode(errorMagic, "aggregator error", s, v.Rung, v.Round, v.Values, nil)
}

// DecodeError reads the blob of an aggregator's error.
func DecodeError(s engine.Shape, data []byte) (Vector, error) {
	return decodeVector(errorMagic, "aggregator error", s, data)
}

// EncodeState writes a state blob; its hash is the state's root.
func EncodeState(s engine.Shape, st *State) ([]byte, error) {
	if len(st.Feedback) != len(st.End) {
		return nil, fmt.Errorf("encode state: %d parameters and %d of feedback", len(st.End), len(st.Feedback))
	}
	return encode(stateMagic, "state", s, st.Rung, st.Round, st.End, st.Optimizer, st.Feedback)
}

// DecodeState reads a state blob of a model of this shape, whose optimizer
// state has the given length.
func DecodeState(s engine.Shape, optimizer int, data []byte) (*State, error) {
	n := s.Parameters()
	rung, round, err := checkHeader(stateMagic, "state", s, optimizer, StateSize(s, optimizer), data)
	if err != nil {
		return nil, err
	}
	st := &State{rung, round, make([]float32, n), make([]float32, optimizer), make([]float32, n)}
	data = data[headerSize:]
	for _, part := range [][]float32{st.End, st.Optimizer, st.Feedback} {
		if !readFloats(part, data) {
			return nil, fmt.Errorf("decode state: %w: a number is not finite", ErrMalformed)
		}
		data = data[4*len(part):]
	}
	return st, nil
}

func encode(magic, what string, s engine.Shape, rung crescendo.RungID, round crescendo.Round, values, optimizer []float32, more ...[]float32) ([]byte, error) {
	if len(values) != s.Parameters() || len(values) == 0 {
		return nil, fmt.Errorf("encode %s: %d parameters, the shape has %d", what, len(values), s.Parameters())
	}
	parts := append([][]float32{values, optimizer}, more...)
	size := headerSize
	for _, p := range parts {
		size += 4 * len(p)
	}
	b := make([]byte, headerSize, size)
	putHeader(b, magic, s, rung, round, len(optimizer))
	for _, p := range parts {
		if !r0.Finite(p) {
			return nil, fmt.Errorf("encode %s: %w", what, engine.ErrNotFinite)
		}
		at := len(b)
		b = b[:at+4*len(p)]
		for i, v := range p {
			binary.LittleEndian.PutUint32(b[at+4*i:], math.Float32bits(v))
		}
	}
	return b, nil
}

func putHeader(b []byte, magic string, s engine.Shape, rung crescendo.RungID, round crescendo.Round, optimizer int) {
	copy(b, magic)
	binary.LittleEndian.PutUint32(b[8:], blobVersion)
	binary.LittleEndian.PutUint32(b[12:], uint32(rung))
	binary.LittleEndian.PutUint32(b[16:], uint32(round))
	binary.LittleEndian.PutUint64(b[24:], uint64(s.Parameters()))
	binary.LittleEndian.PutUint64(b[32:], uint64(optimizer))
	d := shapeDigest(s)
	copy(b[40:], d[:])
}

func checkHeader(magic, what string, s engine.Shape, optimizer int, size int64, data []byte) (crescendo.RungID, crescendo.Round, error) {
	if int64(len(data)) != size || s.Parameters() == 0 {
		return 0, 0, fmt.Errorf("decode %s: %w: %d bytes, want %d", what, ErrMalformed, len(data), size)
	}
	rung := crescendo.RungID(binary.LittleEndian.Uint32(data[12:]))
	round := crescendo.Round(binary.LittleEndian.Uint32(data[16:]))
	want := make([]byte, headerSize)
	putHeader(want, magic, s, rung, round, optimizer)
	if string(data[:headerSize]) != string(want) {
		return 0, 0, fmt.Errorf("decode %s: %w: header is not that of a %s of this model", what, ErrMalformed, what)
	}
	return rung, round, nil
}

func decodeVector(magic, what string, s engine.Shape, data []byte) (Vector, error) {
	rung, round, err := checkHeader(magic, what, s, 0, VectorSize(s), data)
	if err != nil {
		return Vector{}, err
	}
	v := Vector{rung, round, make([]float32, s.Parameters())}
	if !readFloats(v.Values, data[headerSize:]) {
		return Vector{}, fmt.Errorf("decode %s: %w: a number is not finite", what, ErrMalformed)
	}
	return v, nil
}

func readFloats(dst []float32, data []byte) (finite bool) {
	data = data[:4*len(dst)]
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return r0.Finite(dst)
}
