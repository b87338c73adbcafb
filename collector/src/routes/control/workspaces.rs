//! `/control/workspaces`: tenants with their own events, contacts and keys.

use axum::extract::State;
use axum::response::Json;
use serde::{Deserialize, Serialize};

use super::super::admin::{Asked, Desk};
use crate::error::ApiError;
use crate::error::refusal::Refusal;
use store::meta::Workspace;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WorkspaceView {
    pub(crate) id: u32,
    pub(crate) name: String,
    /// RFC 3339.
    pub(crate) created_at: String,
}

/// A workspace to be made.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct WorkspaceBody {
    pub(crate) name: String,
}

impl WorkspaceView {
    fn of(workspace: &Workspace) -> Self {
        Self {
            id: workspace.id.0,
            name: workspace.name.clone(),
            created_at: workspace.created_at.to_string(),
        }
    }
}

pub(super) async fn list(State(desk): State<Desk>, _: Asked) -> Json<Vec<WorkspaceView>> {
    let workspaces = desk.store.meta().workspaces();
    let listed = workspaces.iter().map(|one| WorkspaceView::of(one));
    Json(listed.collect())
}

pub(super) async fn create(
    State(desk): State<Desk>,
    asked: Asked,
) -> Result<Json<WorkspaceView>, ApiError> {
    let name: Option<String> = asked.fields(&["name"])?.take("name", "a text")?;
    let name = name.unwrap_or_default();
    let made = desk
        .at_disk(move |store| store.meta().create_workspace(&name))
        .await?;
    let workspace = made.map_err(Refusal::failed)?;
    Ok(Json(WorkspaceView::of(&workspace)))
}
