package light

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// parse reads an ICS-23 CommitmentProof that is an existence or a
// nonexistence proof.
func (c *commitment) parse(raw []byte) error {
	return fields(raw, func(num protowire.Number, _ uint64, b []byte) error {
		switch num {
		case 1:
			return c.exist.parse(b)
		case 2:
			return fields(b, func(num protowire.Number, _ uint64, b []byte) error {
				switch num {
				case 2:
					return c.left.parse(b)
				case 3:
					return c.right.parse(b)
				}
				return nil
			})
		}
		return fmt.Errorf("unsupported kind %d", num)
	})
}

func (e *existence) parse(raw []byte) error {
	*e = existence{present: true}
	return fields(raw, func(num protowire.Number, _ uint64, b []byte) error {
		switch num {
		case 1:
			e.key = b
		case 2:
			e.value = b
		case 3:
			return e.parseLeaf(b)
		case 4:
			if len(e.path) == maxDepth {
				return fmt.Errorf("more than %d steps", maxDepth)
			}
			var st step
			hash := uint64(0)
			err := fields(b, func(num protowire.Number, n uint64, b []byte) error {
				switch num {
				case 1:
					hash = n
				case 2:
					st.prefix = b
				case 3:
					st.suffix = b
				}
				return nil
			})
			if err == nil && hash != 1 {
				err = fmt.Errorf("unsupported hash %d", hash)
			}
			e.path = append(e.path, st)
			return err
		}
		return nil
	})
}

func (e *existence) parseLeaf(raw []byte) error {
	return fields(raw, func(num protowire.Number, n uint64, b []byte) error {
		switch {
		case num >= 1 && num <= 4:
			e.leafOps[num-1] = n
		case num == 5:
			e.leafPrefix = b
		}
		return nil
	})
}

// fields calls f for every field of a protobuf message: n for varints, b for
// bytes.
func fields(raw []byte, f func(num protowire.Number, n uint64, b []byte) error) error {
	for len(raw) > 0 {
		num, typ, size := protowire.ConsumeTag(raw)
		if size < 0 {
			return protowire.ParseError(size)
		}
		raw = raw[size:]
		var n uint64
		var b []byte
		switch typ {
		case protowire.VarintType:
			n, size = protowire.ConsumeVarint(raw)
		case protowire.BytesType:
			b, size = protowire.ConsumeBytes(raw)
		default:
			return fmt.Errorf("unexpected wire type %d", typ)
		}
		if size < 0 {
			return protowire.ParseError(size)
		}
		raw = raw[size:]
		if err := f(num, n, b); err != nil {
			return err
		}
	}
	return nil
}
