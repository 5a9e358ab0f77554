// Command checklog reads a folder of C2SP tlog-tiles with golang.org/x/mod/sumdb, the
// implementation behind Go's checksum database, and checks everything in it.
//
//	checklog FOLDER VKEY
//
// It opens the checkpoint, hashes every entry of every bundle against its tile, proves every
// entry's inclusion and, for every earlier size, consistency.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// folder is a tlog.TileReader. Only the place of the height differs from sumdb's own paths.
type folder string

func (folder) Height() int { return 8 }

func (f folder) path(t tlog.Tile) string {
	return filepath.Join(string(f), "tile", strings.TrimPrefix(t.Path(), "tile/8/"))
}

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		data, err := os.ReadFile(f.path(tile))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func (folder) SaveTiles([]tlog.Tile, [][]byte) {}

func (f folder) entries(size int64) ([][]byte, error) {
	var all [][]byte
	for int64(len(all)) < size {
		tile := tlog.Tile{H: 8, L: 0, N: int64(len(all)) / 256, W: 256}
		if rest := size - int64(len(all)); rest < 256 {
			tile.W = int(rest)
		}
		name := strings.Replace(f.path(tile), "/tile/0/", "/tile/entries/", 1)
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		for len(data) > 0 {
			end := 2 + int(binary.BigEndian.Uint16(data))
			all = append(all, data[2:end])
			data = data[end:]
		}
	}
	return all, nil
}

func check(root, vkey string) (int64, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return 0, err
	}
	signed, err := os.ReadFile(filepath.Join(root, "checkpoint"))
	if err != nil {
		return 0, err
	}
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return 0, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		return 0, fmt.Errorf("checkpoint of %d lines, origin %q", len(lines), lines[0])
	}
	// Apart from its first line, the text of a C2SP checkpoint is that of sumdb.
	tree, err := tlog.ParseTree([]byte("go.sum database tree\n" + strings.Join(lines[1:], "\n")))
	if err != nil {
		return 0, err
	}
	hashes := tlog.TileHashReader(tree, folder(root))
	entries, err := folder(root).entries(tree.N)
	if err != nil || int64(len(entries)) != tree.N {
		return 0, fmt.Errorf("%d entries of %d: %v", len(entries), tree.N, err)
	}
	for n, entry := range entries {
		proof, err := tlog.ProveRecord(tree.N, int64(n), hashes)
		if err == nil {
			err = tlog.CheckRecord(proof, tree.N, tree.Hash, int64(n), tlog.RecordHash(entry))
		}
		if err != nil {
			return 0, fmt.Errorf("entry %d: %w", n, err)
		}
	}
	for old := int64(1); old <= tree.N; old++ {
		hash, err := tlog.TreeHash(old, hashes)
		if err != nil {
			return 0, err
		}
		proof, err := tlog.ProveTree(tree.N, old, hashes)
		if err == nil {
			err = tlog.CheckTree(proof, tree.N, tree.Hash, old, hash)
		}
		if err != nil {
			return 0, fmt.Errorf("size %d: %w", old, err)
		}
	}
	return tree.N, nil
}

func main() {
	size, err := check(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(size)
}
