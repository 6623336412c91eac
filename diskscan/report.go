package diskscan

import "time"

// ReportVersion is the version of the JSON form: it grows when a field changes its meaning or goes.
const ReportVersion = 1

// Report is everything that is told at once. Its JSON form is stable.
type Report struct {
	Version     int            `json:"version"`
	Time        time.Time      `json:"time"`
	Host        string         `json:"host"`
	FileSystems []FileSystem   `json:"file_systems"`
	Stores      []Store        `json:"stores"`
	Total       Usage          `json:"total"`
	Owners      []Owner        `json:"owners"`
	Since       *time.Time     `json:"since,omitempty"` // of the saved scan that growth is counted from
	Files       []File         `json:"files"`
	Hidden      []Hidden       `json:"hidden,omitempty"`
	DeletedOpen []OpenFile     `json:"deleted_open"`
	Free        []Remedy       `json:"free"`
	Types       []TypeUsage    `json:"types,omitempty"`
	Folders     []*FolderUsage `json:"folders,omitempty"`
	Problems    []Problem      `json:"problems"`
	Tree        *Tree          `json:"-"`
	Notes       []Problem      `json:"notes,omitempty"`         // what a user without rights is not shown
	MoreHidden  int            `json:"more_problems,omitempty"` // problems beyond the list

	scanned int
}
