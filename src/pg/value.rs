//! Values on their way to and from the user, in the database's encoding.

use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::{Datum, UnboxDatum};
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};
use pgrx::{AnyNumeric, FromDatum, IntoDatum, JsonB, pg_sys};

use super::encoding;
use super::error::raise;

/// Text that may hold names of the database.
pub struct Text(String);

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl Text {
    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text itself, owned.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl FromDatum for Text {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Self> {
        if is_null {
            return None;
        }
        // SAFETY: the caller vouches that the datum is a text; detoasting copies where needed.
        unsafe {
            let detoasted = pg_sys::pg_detoast_datum_packed(datum.cast_mut_ptr());
            Some(Self(encoding::from_server(pgrx::varlena_to_byte_slice(detoasted)).into_owned()))
        }
    }
}

// SAFETY: reads the datum as the text that it is.
unsafe impl UnboxDatum for Text {
    type As<'src> = Self;

    unsafe fn unbox<'src>(datum: Datum<'src>) -> Self::As<'src>
    where
        Self: 'src,
    {
        // SAFETY: the caller vouches for the datum, which is not null here.
        unsafe { Self::from_datum(std::mem::transmute::<Datum<'src>, pg_sys::Datum>(datum), false) }
            .unwrap_or_else(|| Self(String::new()))
    }
}

// SAFETY: reads the argument as the text that its SQL type says it is.
unsafe impl<'fcx> ArgAbi<'fcx> for Text {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: the caller vouches for the argument; a strict function gets no null.
        unsafe { arg.unbox_arg_using_from_datum() }.unwrap_or_else(|| Self(String::new()))
    }
}

impl IntoDatum for Text {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        // A text is a varlena of its bytes, as a bytea is.
        encoding::to_server(&self.0).as_ref().into_datum()
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::TEXTOID
    }
}

// SAFETY: returns the datum made above, or NULL.
unsafe impl BoxRet for Text {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        // SAFETY: the caller hands us its own call frame.
        unsafe { boxed(self, fcinfo) }
    }
}

// SAFETY: the datum made above is a text.
unsafe impl SqlTranslatable for Text {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(Text);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal("text"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Ok(ReturnsRef::One(SqlMappingRef::literal("text")));
}

/// A relation by its number, `regclass` in SQL; takes no lock.
pub struct RegClass(pg_sys::Oid);

impl RegClass {
    /// The number.
    pub fn oid(&self) -> pg_sys::Oid {
        self.0
    }
}

impl FromDatum for RegClass {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Self> {
        // SAFETY: the caller vouches that the datum is an OID.
        unsafe { pg_sys::Oid::from_datum(datum, is_null) }.map(Self)
    }
}

// SAFETY: reads the datum as the OID that it is.
unsafe impl UnboxDatum for RegClass {
    type As<'src> = Self;

    unsafe fn unbox<'src>(datum: Datum<'src>) -> Self::As<'src>
    where
        Self: 'src,
    {
        // SAFETY: the caller vouches for the datum, which is not null here.
        Self(unsafe { pg_sys::Oid::unbox(datum) })
    }
}

// SAFETY: reads the argument as the OID that its SQL type says it is.
unsafe impl<'fcx> ArgAbi<'fcx> for RegClass {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: the caller vouches for the argument; a strict function gets no null.
        unsafe { arg.unbox_arg_using_from_datum() }.unwrap_or(Self(pg_sys::InvalidOid))
    }
}

impl IntoDatum for RegClass {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        self.0.into_datum()
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::REGCLASSOID
    }
}

// SAFETY: a regclass is an OID.
unsafe impl SqlTranslatable for RegClass {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(RegClass);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Ok(SqlMappingRef::literal("regclass"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> =
        Ok(ReturnsRef::One(SqlMappingRef::literal("regclass")));
}

/// JSON that may hold names of the database.
pub struct Document(serde_json::Value);

impl From<serde_json::Value> for Document {
    fn from(value: serde_json::Value) -> Self {
        Self(value)
    }
}

impl From<serde_json::Map<String, serde_json::Value>> for Document {
    fn from(map: serde_json::Map<String, serde_json::Value>) -> Self {
        Self(serde_json::Value::Object(map))
    }
}

impl IntoDatum for Document {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        let json = std::ffi::CString::new(encoding::json_to_server(self.0.to_string())).ok()?;
        // SAFETY: jsonb_in reads a C string, which lives until it returns.
        unsafe { pgrx::direct_function_call_as_datum(pg_sys::jsonb_in, &[Some(json.as_ptr().into())]) }
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::JSONBOID
    }
}

// SAFETY: returns the datum made above, or NULL.
unsafe impl BoxRet for Document {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        // SAFETY: the caller hands us its own call frame.
        unsafe { boxed(self, fcinfo) }
    }
}

// SAFETY: the datum made above is a jsonb.
unsafe impl SqlTranslatable for Document {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(Document);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = JsonB::ARGUMENT_SQL;
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = JsonB::RETURN_SQL;
}

/// JSON as the very text that the database wrote: numbers keep all their digits.
pub struct JsonText(String);

impl From<String> for JsonText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl JsonText {
    /// The text itself.
    pub fn into_string(self) -> String {
        self.0
    }

    /// What it says; numbers keep what 64 bits hold of them. An ERROR where one is beyond that: to go on as if nothing was said
    /// would log what is to be kept back.
    pub fn value(&self) -> serde_json::Value {
        serde_json::from_str(&self.0).unwrap_or_else(|error| {
            raise(
                pgrx::PgSqlErrorCode::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
                "a JSON document cannot be read",
                &error.to_string(),
                "",
            )
        })
    }
}

impl FromDatum for JsonText {
    unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: pg_sys::Oid) -> Option<Self> {
        if is_null {
            return None;
        }
        // SAFETY: the caller vouches that the datum is a jsonb; jsonb_out makes a C string of it.
        unsafe {
            let text = pgrx::direct_function_call::<&std::ffi::CStr>(pg_sys::jsonb_out, &[Some(datum)])?;
            Some(Self(encoding::from_server(text.to_bytes()).into_owned()))
        }
    }
}

// SAFETY: reads the datum as the jsonb that it is.
unsafe impl UnboxDatum for JsonText {
    type As<'src> = Self;

    unsafe fn unbox<'src>(datum: Datum<'src>) -> Self::As<'src>
    where
        Self: 'src,
    {
        // SAFETY: the caller vouches for the datum, which is not null here.
        unsafe { Self::from_datum(std::mem::transmute::<Datum<'src>, pg_sys::Datum>(datum), false) }
            .unwrap_or_else(|| Self("null".to_owned()))
    }
}

// SAFETY: reads the argument as the jsonb that its SQL type says it is.
unsafe impl<'fcx> ArgAbi<'fcx> for JsonText {
    unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
        // SAFETY: the caller vouches for the argument; a strict function gets no null.
        unsafe { arg.unbox_arg_using_from_datum() }.unwrap_or_else(|| Self("null".to_owned()))
    }
}

impl IntoDatum for JsonText {
    fn into_datum(self) -> Option<pg_sys::Datum> {
        let json = std::ffi::CString::new(encoding::json_to_server(self.0)).ok()?;
        // SAFETY: jsonb_in reads a C string, which lives until it returns.
        unsafe { pgrx::direct_function_call_as_datum(pg_sys::jsonb_in, &[Some(json.as_ptr().into())]) }
    }

    fn type_oid() -> pg_sys::Oid {
        pg_sys::JSONBOID
    }
}

// SAFETY: returns the datum made above, or NULL.
unsafe impl BoxRet for JsonText {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
        // SAFETY: the caller hands us its own call frame.
        unsafe { boxed(self, fcinfo) }
    }
}

// SAFETY: the datum made above is a jsonb.
unsafe impl SqlTranslatable for JsonText {
    const TYPE_IDENT: &'static str = pgrx::pgrx_resolved_type!(JsonText);
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = JsonB::ARGUMENT_SQL;
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = JsonB::RETURN_SQL;
}

/// # Safety
/// `fcinfo` must be the frame of the call that returns `value`.
unsafe fn boxed<'fcx>(value: impl IntoDatum, fcinfo: &mut FcInfo<'fcx>) -> Datum<'fcx> {
    match value.into_datum() {
        // SAFETY: the caller vouches for the frame.
        Some(datum) => unsafe { fcinfo.return_raw_datum(datum) },
        None => fcinfo.return_null(),
    }
}

/// A number with that many decimals.
pub fn rounded(value: f64, decimals: usize) -> AnyNumeric {
    let text = format!("{value:.decimals$}");
    AnyNumeric::try_from(text.as_str()).unwrap_or_else(|_| AnyNumeric::from(0))
}
