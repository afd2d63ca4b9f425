package dsmr

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"

	"homehub/hub"
)

// An encrypted telegram is a general-glo-ciphering APDU (Luxmetering E-Meter
// P1 1.1.3, 3.2.5; the same in Austria):
//
//	DB  08 <system title, 8>  <length, BER>  30 <frame counter, 4> <cipher> <tag, 12>
//
// AES-128-GCM with title and counter as the nonce, and 30 and the
// authentication key as the additional data.
const (
	titleLen    = 8
	counterLen  = 4
	tagLen      = 12
	keyLen      = 16
	security    = 0x30 // encrypted and authenticated
	sealedExtra = 1 + counterLen + tagLen
)

// luxembourgAuthKey is printed in the specification and the same for every
// meter of that country.
const luxembourgAuthKey = "00112233445566778899AABBCCDDEEFF"

// CheckKeys says what is wrong with the keys of a Config, or nil.
func CheckKeys(key, authKey []byte) error {
	if n := len(key); n != 0 && n != keyLen {
		return hub.FieldErrorf("key", "must be 32 hexadecimal digits, as the grid operator hands it out")
	}
	if n := len(authKey); n != 0 && n != keyLen {
		return hub.FieldErrorf("auth_key", "must be 32 hexadecimal digits")
	}
	return nil
}

// opener decrypts telegrams. Its buffers are fixed, so that it allocates
// nothing per telegram.
type opener struct {
	block cipher.Block
	aead  cipher.AEAD
	noTag bool
	nonce [titleLen + counterLen]byte
	count [aes.BlockSize]byte
	pad   [aes.BlockSize]byte
	aad   [1 + keyLen]byte
	plain [MaxTelegram]byte
}

// newOpener is nil if cfg has no usable key.
func newOpener(cfg Config) *opener {
	if len(cfg.Key) != keyLen {
		return nil
	}
	o := &opener{noTag: cfg.NoTag}
	var err error
	if o.block, err = aes.NewCipher(cfg.Key); err != nil {
		return nil
	}
	if o.aead, err = cipher.NewGCMWithTagSize(o.block, tagLen); err != nil {
		return nil
	}
	o.aad[0] = security
	auth := cfg.AuthKey
	if len(auth) != keyLen {
		auth, _ = hex.DecodeString(luxembourgAuthKey)
	}
	copy(o.aad[1:], auth)
	return o
}

// open decrypts the body of an APDU: everything behind the security byte.
func (o *opener) open(title, body []byte) (plain []byte, ok bool) {
	copy(o.nonce[:], title)
	copy(o.nonce[titleLen:], body[:counterLen])
	sealed := body[counterLen:]
	if !o.noTag {
		plain, err := o.aead.Open(o.plain[:0], o.nonce[:], sealed, o.aad[:])
		return plain, err == nil
	}
	return o.decrypt(sealed[:len(sealed)-tagLen]), true
}

// decrypt is AES-GCM without its tag: counter mode that starts at 2.
func (o *opener) decrypt(sealed []byte) []byte {
	copy(o.count[:], o.nonce[:])
	for i := 0; i < len(sealed); i += aes.BlockSize {
		binary.BigEndian.PutUint32(o.count[len(o.nonce):], uint32(i/aes.BlockSize+2))
		o.block.Encrypt(o.pad[:], o.count[:])
		for k := i; k < min(i+aes.BlockSize, len(sealed)); k++ {
			o.plain[k] = sealed[k] ^ o.pad[k-i]
		}
	}
	return o.plain[:len(sealed)]
}

// scanSealed decides on a frame that begins with DB. done is false if more
// must be read first.
func (r *Reader) scanSealed() (done, found bool) {
	b := r.buf[r.start:r.end]
	head, size, verdict := sealedSize(b)
	if verdict == sealedNot {
		r.start++ // a byte of noise, no frame
		return true, false
	}
	last := r.err != nil
	if verdict == sealedMore || size > len(b) && r.opener != nil {
		if !last {
			return false, false
		}
		r.refuse(reasonEnd, 1)
		return true, false
	}
	if r.opener == nil {
		r.refuse(reasonNoKey, 1)
		return true, false
	}
	plain, ok := r.opener.open(b[2:2+titleLen], b[head+1:size])
	if !ok {
		r.refuse(reasonTag, 1)
		return true, false
	}
	if reason := r.loadPlain(plain); reason != "" {
		r.refuse(reason, 1)
		return true, false
	}
	r.start += size
	r.scanned = r.start
	return true, true
}

// loadPlain takes in a decrypted telegram. Where the tag was checked it
// vouches for the content, whatever the checksum inside says: the meter of one
// published example has none that is right.
func (r *Reader) loadPlain(plain []byte) string {
	from := bytes.IndexByte(plain, startPlain)
	bang := bytes.LastIndexByte(plain, '!')
	if from < 0 || bang < from {
		return reasonInner
	}
	end, _ := checksumEnd(plain, bang, true)
	r.t.sealed = !r.opener.noTag
	return r.t.load(plain[from:end], bang-from, r.cfg.Lenient && r.t.sealed)
}

type sealedVerdict int

const (
	sealedNot  sealedVerdict = iota // not an APDU
	sealedMore                      // too short to tell
	sealedIs
)

// sealedSize reads the beginning of an APDU: where its security byte is, and
// how long it is in all.
func sealedSize(b []byte) (head, size int, v sealedVerdict) {
	if len(b) < 2 {
		return 0, 0, sealedMore
	}
	if b[1] != titleLen {
		return 0, 0, sealedNot
	}
	const at = 2 + titleLen
	if len(b) <= at {
		return 0, 0, sealedMore
	}
	head, length := at+1, int(b[at])
	if length > 0x7F {
		n := length & 0x7F
		if n == 0 || n > 4 {
			return 0, 0, sealedNot
		}
		if len(b) <= at+n {
			return 0, 0, sealedMore
		}
		length = 0
		for _, c := range b[at+1 : at+1+n] {
			if length > MaxTelegram {
				return 0, 0, sealedNot
			}
			length = length<<8 | int(c)
		}
		head += n
	}
	if length <= sealedExtra || length > MaxTelegram+sealedExtra {
		return 0, 0, sealedNot
	}
	if len(b) <= head {
		return 0, 0, sealedMore
	}
	if b[head] != security {
		return 0, 0, sealedNot
	}
	return head, head + length, sealedIs
}
