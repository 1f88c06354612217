package sim

// event is something that happens at a moment of virtual time.
type event struct {
	at   int64
	seq  uint64 // events of one moment happen in the order they were scheduled
	name string
	who  *actor // nil: nobody in particular
	do   func()
}

// queue is a heap of events, the earliest first.
type queue struct {
	heap []event
	seq  uint64
}

func (e event) before(f event) bool { return e.at < f.at || e.at == f.at && e.seq < f.seq }

func (q *queue) push(e event) {
	q.seq++
	e.seq = q.seq
	q.heap = append(q.heap, e)
	for i := len(q.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if !q.heap[i].before(q.heap[up]) {
			return
		}
		q.heap[i], q.heap[up] = q.heap[up], q.heap[i]
		i = up
	}
}

func (q *queue) pop() (event, bool) {
	n := len(q.heap)
	if n == 0 {
		return event{}, false
	}
	first := q.heap[0]
	q.heap[0] = q.heap[n-1]
	q.heap[n-1] = event{}
	q.heap = q.heap[:n-1]
	for i := 0; ; {
		next := 2*i + 1
		if next >= n-1 {
			return first, true
		}
		if next+1 < n-1 && q.heap[next+1].before(q.heap[next]) {
			next++
		}
		if !q.heap[next].before(q.heap[i]) {
			return first, true
		}
		q.heap[i], q.heap[next] = q.heap[next], q.heap[i]
		i = next
	}
}
