package dockercmd

import "reflect"

// makeVisible replaces every string that target leads to: target is a pointer to a value of an API type, which are
// structures, slices, maps and pointers without cycles.
func makeVisible(target any, visible func(string) string) {
	walk(reflect.ValueOf(target), visible)
}

func walk(v reflect.Value, visible func(string) string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			walk(v.Elem(), visible)
		}
	case reflect.Interface:
		if !v.IsNil() && v.CanSet() {
			v.Set(visibleCopy(v.Elem(), visible))
		}
	case reflect.String:
		if v.CanSet() {
			v.SetString(visible(v.String()))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() || v.Type().Field(i).Anonymous {
				walk(v.Field(i), visible)
			}
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		for i := range v.Len() {
			walk(v.Index(i), visible)
		}
	case reflect.Map:
		walkMap(v, visible)
	}
}

// walkMap replaces the keys and values of a map, which cannot be changed in place.
func walkMap(m reflect.Value, visible func(string) string) {
	for _, key := range m.MapKeys() {
		value := m.MapIndex(key)
		m.SetMapIndex(key, reflect.Value{})
		m.SetMapIndex(visibleCopy(key, visible), visibleCopy(value, visible))
	}
}

func visibleCopy(v reflect.Value, visible func(string) string) reflect.Value {
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	walk(c, visible)
	return c
}
