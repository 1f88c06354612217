package sim

import (
	"fmt"
	"io"
	"net"
)

// maxQuotes bounds how often one program may ask; a vault asks once per
// registration.
const maxQuotes = 1 << 12

// answer serves the quote socket of one program: 64 bytes of report data in, a
// two-byte length and a quote out. The measurement is the platform's
// knowledge; the program cannot choose it.
func (p *Platform) answer(conn net.Conn, measurement []byte) {
	defer conn.Close()
	report := make([]byte, ReportSize)
	for range maxQuotes {
		if _, err := io.ReadFull(conn, report); err != nil {
			return
		}
		body, err := p.Quote(measurement, report)
		if err != nil {
			return
		}
		frame := append([]byte{byte(len(body) >> 8), byte(len(body))}, body...)
		if _, err := conn.Write(frame); err != nil {
			return
		}
	}
}

// Ask is the program's side: it asks the platform behind its quote socket for
// a quote over the report data. It is not safe for concurrent use.
func Ask(conn io.ReadWriter, report []byte) ([]byte, error) {
	if len(report) != ReportSize {
		return nil, fmt.Errorf("ask for a quote: %d bytes of report data, want %d", len(report), ReportSize)
	}
	if _, err := conn.Write(report); err != nil {
		return nil, fmt.Errorf("ask platform for a quote: %w", err)
	}
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, fmt.Errorf("read quote: %w", err)
	}
	n := int(size[0])<<8 | int(size[1])
	if n > maxQuote {
		return nil, fmt.Errorf("read quote: %d bytes: %w", n, ErrQuote)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(conn, body); err != nil {
		return nil, fmt.Errorf("read quote: %w", err)
	}
	return body, nil
}
